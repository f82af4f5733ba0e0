// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A call to a device runtime that failed, as an exception.

#include <reprise/backend/device_runtime.hpp>
#include <reprise/core/error.hpp>
#include <string>

namespace reprise::inline v0 {

/// A call to a device runtime that failed. As kernels and copies run later than they are called,
/// the call that is named is the one that found the error, not always the one that made it.
/// @tparam R the runtime
template <class R>
class DeviceError : public Error {
 public:
  /// What the runtime's calls return.
  using code_type = typename R::error_type;

  /// @param code what the call returned
  /// @param call the name of the call
  DeviceError(code_type code, const std::string& call)
      : Error(call + ": " + std::string(R::error_name(code)) + " (" +
              std::to_string(static_cast<int>(code)) + "), " + std::string(R::error_text(code))),
        code_(code),
        call_(call) {}

  /// What the call returned.
  [[nodiscard]] code_type code() const noexcept { return code_; }
  /// The name of the call.
  [[nodiscard]] const std::string& call() const noexcept { return call_; }
  /// Whether each later call fails too: the context is dead, and what it holds is lost. What
  /// Reprise has on the host stays readable.
  [[nodiscard]] bool is_sticky() const noexcept { return R::is_sticky(code_); }

 private:
  code_type code_;
  std::string call_;
};

/// Passes if the call succeeded. What it left as the thread's last error is taken away, so that
/// nobody else finds it.
/// @throws DeviceError otherwise
template <class R>
void check_device(typename R::error_type code, const char* call) {
  if (code == R::success) return;
  R::clear_error();
  throw DeviceError<R>(code, call);
}

/// What became of a call does not matter, as in destructors: after a sticky error they all fail.
template <class R>
void ignore_device(typename R::error_type code) noexcept {
  if (code != R::success) R::clear_error();
}

/// Calls `f`, which may throw, where nothing may: what becomes of it does not matter.
template <class F>
void ignore_failure(F&& f) noexcept {
  try {
    f();
  } catch (...) {  // a dead context has nothing to give back to
  }
}

}  // namespace reprise::inline v0
