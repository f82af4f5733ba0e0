// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What an operation on a tape saves for its backward: kept, or remade when backward asks for it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/tensor.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

namespace running {

template <SharedTensor T>
class Region;

/// Where a saved value lies: alone, or as one of a region that can remake it.
template <SharedTensor T>
struct Slot {
  std::shared_ptr<Region<T>> region{};  ///< null: kept
  std::optional<T> tensor{};
  std::uint64_t version = 0;

  void put(const T& value) {
    tensor.emplace(value);
    version = version_of(value);
  }
};

/// Ends a rerun whose region has all it needs. No std::exception, so that an engine's handlers of
/// errors leave it alone.
struct RegionComplete {};

/// What a segment saved, in the order in which it did; runs the segment again to have it.
template <SharedTensor T>
class Region : public std::enable_shared_from_this<Region<T>> {
 public:
  explicit Region(bool stops_early) : stops_early_(stops_early) {}
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  Region(Region&&) = delete;
  Region& operator=(Region&&) = delete;
  virtual ~Region() = default;

  /// Takes what an operation inside saves: notes it the first time, keeps what is wanted in a
  /// rerun.
  /// @returns the place to ask for it in backward; null in a rerun, whose operations have no
  /// backward of their own
  [[nodiscard]] std::shared_ptr<Slot<T>> save(const T& tensor) {
    if (rerun_) {
      refill(tensor);
      return nullptr;
    }
    auto slot = std::make_shared<Slot<T>>();
    slot->region = this->shared_from_this();
    notes_.push_back({slot, shape_signature(tensor)});
    return slot;
  }

  /// Makes every value present that backward may still ask for.
  void remake() {
    if (rerun_) throw InvalidState("a segment read, while it ran again, what it saves itself");
    rerun_.emplace(missing());
    try {
      run_again();
      check_complete();
    } catch (...) {
      for (const auto& slot : rerun_->missing) {
        if (slot) slot->tensor.reset();
      }
      rerun_.reset();
      throw;
    }
    rerun_.reset();
  }

  /// @throws InvalidState if backward is itself being recorded.
  virtual void refuse_higher_order() const = 0;

 private:
  struct Note {
    std::weak_ptr<Slot<T>> slot;  ///< expired: backward will not ask for it
    std::uint64_t signature;
  };
  struct Rerun {
    std::vector<std::shared_ptr<Slot<T>>>
        missing;  ///< null where nothing is wanted; up to the last
    std::size_t saved = 0;
  };

  virtual void run_again() = 0;

  [[nodiscard]] Rerun missing() const {
    Rerun rerun{.missing = std::vector<std::shared_ptr<Slot<T>>>(notes_.size())};
    std::size_t end = 0;
    for (std::size_t i = 0; i < notes_.size(); ++i) {
      std::shared_ptr<Slot<T>> slot = notes_[i].slot.lock();
      if (!slot || slot->tensor) continue;
      rerun.missing[i] = std::move(slot);
      end = i + 1;
    }
    rerun.missing.resize(end);
    return rerun;
  }

  void refill(const T& tensor) {
    const std::size_t index = rerun_->saved++;
    if (index < notes_.size() && notes_[index].signature != shape_signature(tensor)) {
      throw ReplayMismatch("value " + std::to_string(index) +
                           " that a segment saved has another shape when the segment runs again");
    }
    if (index < rerun_->missing.size() && rerun_->missing[index]) {
      rerun_->missing[index]->put(tensor);
    }
    if (stops_early_ && rerun_->saved >= rerun_->missing.size()) throw RegionComplete{};
  }

  void check_complete() const {
    const std::size_t expected = stops_early_ ? rerun_->missing.size() : notes_.size();
    if (rerun_->saved < expected || (!stops_early_ && rerun_->saved > expected)) {
      throw ReplayMismatch("a segment saved " + std::to_string(notes_.size()) +
                           " values and, when it ran again, " + std::to_string(rerun_->saved));
    }
  }

  bool stops_early_;
  std::vector<Note> notes_;
  std::optional<Rerun> rerun_;
};

}  // namespace running

/// A tensor that an operation saved for its backward; made by a `Saver`, held by the tape's entry.
///
/// Saved outside any segment it is kept. Saved inside one it holds nothing until `get()` runs the
/// segment again, which remakes all of the segment that is still wanted: what a living `SavedValue`
/// stands for. Copies share one value; the last one's end gives it up.
template <SharedTensor T>
class SavedValue {
 public:
  SavedValue() = default;
  /// Shares what the slot holds or can remake; made by a `Saver`.
  explicit SavedValue(std::shared_ptr<running::Slot<T>> slot) : slot_(std::move(slot)) {}

  /// The tensor, remade if need be; valid until the value is unloaded or given up.
  ///
  /// Records on the tape while it remakes, and takes the tape back after that: no iterator into it
  /// may be in use.
  /// @param what names the value in messages
  /// @throws InvalidState if the value is empty, or backward is being recorded and a segment would
  /// have to be differentiated twice; ReplayMismatch if the tensor was changed in place since it
  /// was saved, or the segment does not repeat; what the segment throws, and then nothing has
  /// changed.
  [[nodiscard]] const T& get(std::string_view what = "a value saved for backward") const {
    // The tape's entry, and this with it, may move when the rerun records.
    const std::shared_ptr<running::Slot<T>> slot = slot_;
    if (!slot) throw InvalidState(std::string(what) + " is empty, or of a segment's rerun");
    if (slot->region) {
      slot->region->refuse_higher_order();
      if (!slot->tensor) slot->region->remake();
    }
    if (const std::uint64_t now = version_of(*slot->tensor); now != slot->version) {
      throw ReplayMismatch(std::string(what) + " was changed in place: it was saved at version " +
                           std::to_string(slot->version) + " and is at version " +
                           std::to_string(now));
    }
    return *slot->tensor;
  }

  /// Gives the bytes back if the value can be remade; for tapes that keep their entries for another
  /// backward.
  void unload() const noexcept {
    if (slot_ && slot_->region) slot_->tensor.reset();
  }

  /// True if `get()` would run nothing.
  [[nodiscard]] bool is_present() const noexcept { return slot_ && slot_->tensor; }

 private:
  std::shared_ptr<running::Slot<T>> slot_;
};

}  // namespace reprise::inline v0
