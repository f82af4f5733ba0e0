// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What the operations of one region of a tape save, and how it is made present again and matched.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/tensor.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reprise::inline v0::running {

template <SharedTensor T>
class Region;

/// A tensor's checksum; of an empty one, or one without, 0.
template <TensorLike T>
[[nodiscard]] std::uint64_t checksum_of(const T& tensor) {
  if constexpr (ChecksummableTensor<T>) {
    if (tensor_traits<T>::storage(tensor) == nullptr) return 0;
    return static_cast<std::uint64_t>(tensor_traits<T>::checksum(tensor));
  } else {
    return 0;
  }
}

/// Where a saved value lies: alone, or as one of a region that can recompute it.
template <SharedTensor T>
struct Slot {
  std::shared_ptr<Region<T>> region{};      ///< null: kept
  std::optional<T> tensor{};                ///< empty until it is recomputed
  std::uint64_t version = 0;                ///< of the tensor when it was put here
  std::optional<std::uint64_t> checksum{};  ///< of the original, where replay is verified

  /// Keeps a tensor, as it is now.
  void put(const T& value) {
    tensor.emplace(value);
    version = version_of(value);
  }

  /// @throws ReplayMismatch if the tensor, which is present, is not what was put here.
  void check(std::string_view what) const {
    if (const std::uint64_t now = version_of(*tensor); now != version) {
      throw ReplayMismatch(std::string(what) +
                           " was changed in place since it was saved: its version was " +
                           std::to_string(version) + " and is " + std::to_string(now));
    }
    if (checksum && *checksum != checksum_of(*tensor)) {
      throw ReplayMismatch(std::string(what) +
                           " was changed in place since it was saved: its checksum is another one");
    }
  }
};

/// How a region runs again.
struct RegionManner {
  bool ends_early = false;     ///< with the last value that is wanted
  bool throws_inside = false;  ///< an exception may leave `Saver::save`
  bool verifies = false;       ///< compares contents
};

/// Ends a rerun whose region has all it needs. No std::exception, so that an engine's handlers of
/// errors leave it alone.
struct RegionComplete {
  const void* region = nullptr;  ///< the one that is complete
};

/// All that is known of a tensor that a region saved without keeping it.
///
/// Storages of what the region itself made say nothing, since memory is handed out again; those of
/// its inputs live as long as it runs.
struct SavedMark {
  static constexpr std::size_t no_input = static_cast<std::size_t>(-1);  ///< in place of one

  std::uint64_t signature = 0;              ///< of its shape
  std::uint64_t bytes = 0;                  ///< as the traits say
  const void* storage = nullptr;            ///< null for an empty one
  std::uint64_t version = 0;                ///< 0 where the traits have none
  std::uint64_t nested = 0;                 ///< a hash of what nested regions saved before it
  std::size_t input = no_input;             ///< of the region, whose memory it shares
  bool is_persistent = false;               ///< a parameter, which is kept
  std::optional<std::uint64_t> checksum{};  ///< where replay is verified
};

/// What a checkpoint saved, in the order in which it did; runs the checkpoint again to have it.
///
/// Whatever a rerun saves is matched with what was saved in its place, until the rerun ends. The
/// first difference is remembered: no handler of the engine can make the rerun pass.
template <SharedTensor T>
class Region : public std::enable_shared_from_this<Region<T>> {
 public:
  /// A region that has saved nothing yet.
  explicit Region(RegionManner manner) : manner_(manner) {}
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  Region(Region&&) = delete;
  Region& operator=(Region&&) = delete;
  virtual ~Region() = default;

  /// Whether contents are compared, in the regions inside too.
  [[nodiscard]] bool verifies() const noexcept { return manner_.verifies; }

  /// Takes what an operation inside saves: notes it the first time, keeps what is wanted in a
  /// rerun.
  /// @returns the place to ask for it in backward; null in a rerun, whose operations have no
  /// backward of their own, unless it is a parameter
  /// @throws ReplayMismatch in a rerun, if it is not what was saved in its place
  [[nodiscard]] std::shared_ptr<Slot<T>> save(const T& tensor) {
    const SavedMark mark = mark_of(tensor);
    if (rerun_) refill(tensor, mark);
    if (rerun_ && !mark.is_persistent) return nullptr;
    auto slot = std::make_shared<Slot<T>>();
    slot->checksum = mark.checksum;
    if (mark.is_persistent) {
      slot->put(tensor);  // the engine keeps it anyway
    } else {
      slot->region = this->shared_from_this();
    }
    if (!rerun_) notes_.push_back({slot, mark});
    return slot;
  }

  /// Hears what a region inside this one saved, once its function has run.
  void note_nested(std::uint64_t trace) noexcept {
    std::uint64_t& nested = rerun_ ? rerun_->nested : nested_;
    nested = hash_combine(nested, trace);
  }
  /// A hash of all that this region and those inside it saved.
  [[nodiscard]] std::uint64_t trace() const noexcept {
    std::uint64_t hash = hash_combine(nested_, notes_.size());
    for (const Note& note : notes_) {
      hash = hash_combine(hash_combine(hash, note.mark.signature), note.mark.bytes);
      hash = hash_combine(hash_combine(hash, note.mark.nested), note.mark.checksum.value_or(0));
    }
    return hash;
  }

  /// Makes every value present that backward may still ask for.
  void recompute() {
    if (rerun_) throw InvalidState("a checkpoint read, while it ran again, what it saves itself");
    rerun_.emplace(missing());
    try {
      run_again();
      check_matched();
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

 protected:
  /// The memory of the region's inputs when it ran first.
  [[nodiscard]] virtual std::span<const void* const> inputs() const noexcept = 0;
  /// The memory of the inputs that it runs again with; valid meanwhile.
  void run_with(std::span<const void* const> inputs) noexcept { rerun_->inputs = inputs; }
  /// Whether it is this region that is complete, and none of another tape's.
  [[nodiscard]] bool is_it(const RegionComplete& complete) const noexcept {
    return complete.region == this;
  }

 private:
  struct Note {
    std::weak_ptr<Slot<T>> slot;  ///< expired: backward will not ask for it
    SavedMark mark;
  };
  struct Rerun {
    std::vector<std::shared_ptr<Slot<T>>>
        missing;  ///< null where nothing is wanted; up to the last
    std::size_t saved = 0;
    std::uint64_t nested = 0;
    std::span<const void* const> inputs{};
    std::string mismatch{};  ///< the first one; nothing is matched after it
    bool has_ended = false;  ///< early: what comes after is not seen
    std::exception_ptr handled = std::current_exception();  ///< when it began
    int unwinding = std::uncaught_exceptions();
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

  [[nodiscard]] static std::size_t place(std::span<const void* const> storages,
                                         const void* storage) {
    const auto found = std::ranges::find(storages, storage);
    if (storage == nullptr || found == storages.end()) return SavedMark::no_input;
    return static_cast<std::size_t>(found - storages.begin());
  }

  [[nodiscard]] SavedMark mark_of(const T& tensor) const {
    SavedMark mark{.signature = shape_signature(tensor),
                   .bytes = tensor_traits<T>::bytes(tensor),
                   .storage = tensor_traits<T>::storage(tensor),
                   .version = version_of(tensor),
                   .nested = rerun_ ? rerun_->nested : nested_,
                   .is_persistent = is_persistent(tensor)};
    mark.input = place(rerun_ ? rerun_->inputs : inputs(), mark.storage);
    if (manner_.verifies) mark.checksum = checksum_of(tensor);
    return mark;
  }

  void refill(const T& tensor, const SavedMark& mark) {
    if (!rerun_->mismatch.empty() || rerun_->has_ended) return;
    const std::size_t index = rerun_->saved++;
    rerun_->mismatch = mismatch_of(index, mark);
    if (!rerun_->mismatch.empty()) {
      if (manner_.throws_inside) throw ReplayMismatch(rerun_->mismatch);
      return;
    }
    if (index < rerun_->missing.size() && rerun_->missing[index]) {
      rerun_->missing[index]->put(tensor);
    }
    end_if_complete();
  }

  // Not while an exception of the engine's is on its way or in a handler: it would be lost.
  void end_if_complete() {
    if (!manner_.ends_early || rerun_->saved < rerun_->missing.size()) return;
    if (std::uncaught_exceptions() != rerun_->unwinding ||
        std::current_exception() != rerun_->handled) {
      return;
    }
    rerun_->has_ended = true;
    throw RegionComplete{this};
  }

  [[nodiscard]] std::string mismatch_of(std::size_t index, const SavedMark& mark) const {
    if (index >= notes_.size()) {
      return "a checkpoint saved " + std::to_string(notes_.size()) +
             " values and, when it ran again, more";
    }
    const SavedMark& original = notes_[index].mark;
    const std::string difference = difference_of(original, mark);
    if (difference.empty()) return {};
    return "value " + std::to_string(index) + " that a checkpoint saved " + difference;
  }

  /// Empty if nothing tells them apart.
  [[nodiscard]] std::string difference_of(const SavedMark& original, const SavedMark& again) const {
    if (original.nested != again.nested) {
      return "comes after a checkpoint inside that saved something else when it ran again";
    }
    if (original.signature != again.signature || original.bytes != again.bytes) {
      return "has another shape when the checkpoint runs again";
    }
    if (original.is_persistent != again.is_persistent) {
      return std::string(original.is_persistent ? "was a parameter and is none"
                                                : "was no parameter and is one") +
             " when the checkpoint runs again";
    }
    if (!is_same_input(original, again)) {
      return "was " + input_name(original.input) + " and is " + input_name(again.input) +
             " when the checkpoint runs again";
    }
    if (original.storage == again.storage && original.version != again.version) {
      return "was changed in place since: its version was " + std::to_string(original.version) +
             " and is " + std::to_string(again.version);
    }
    if (original.checksum != again.checksum) {
      return "differs from its original when the checkpoint runs again";
    }
    return {};
  }

  // An input that an enclosing checkpoint has recomputed lies elsewhere than it did; what the
  // function has captured of it does not.
  [[nodiscard]] bool is_same_input(const SavedMark& original, const SavedMark& again) const {
    if (original.input == again.input || original.storage == again.storage) return true;
    for (std::size_t i = 0; i < inputs().size(); ++i) {
      if (inputs()[i] == original.storage && rerun_->inputs[i] == again.storage) return true;
    }
    return false;
  }
  [[nodiscard]] static std::string input_name(std::size_t input) {
    return input == SavedMark::no_input ? "no input of its own" : "input " + std::to_string(input);
  }

  void check_matched() const {
    if (!rerun_->mismatch.empty()) throw ReplayMismatch(rerun_->mismatch);
    const std::size_t expected = rerun_->has_ended ? rerun_->missing.size() : notes_.size();
    if (rerun_->saved < expected) {
      throw ReplayMismatch("a checkpoint saved " + std::to_string(notes_.size()) +
                           " values and, when it ran again, " + std::to_string(rerun_->saved));
    }
    if (!rerun_->has_ended && rerun_->nested != nested_) {
      throw ReplayMismatch(
          "a checkpoint inside a checkpoint saved something else when that ran again");
    }
  }

  RegionManner manner_;
  std::vector<Note> notes_;
  std::uint64_t nested_ = 0;  ///< a hash of what nested regions saved
  std::optional<Rerun> rerun_;
};

}  // namespace reprise::inline v0::running
