// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How state of any length is saved: as words of 64 bits that say when they are not whole.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <ostream>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0 {

/// How a kind of saved state begins, and what messages call it.
struct StateFormat {
  std::array<char, 8> magic;  ///< the first bytes, as they are
  std::uint64_t version;      ///< a reader of another version refuses the state
  const char* name;           ///< for the messages; must outlive the reader
};

/// Collects words and writes them: binary, the same on every machine, with a checksum.
///
/// After the magic, in little-endian words: version, number of content words, content, checksum of
/// all words before it.
class StateWriter {
 public:
  /// Any number, as it is.
  void word(std::uint64_t word) { words_.push_back(word); }
  /// The bits of a double: read back, it is the same to the last.
  void real(double value) { word(std::bit_cast<std::uint64_t>(value)); }
  /// One word, 0 or 1.
  void flag(bool value) { word(value ? 1 : 0); }
  /// A list with its length.
  void words(std::span<const std::uint64_t> list) {
    word(list.size());
    words_.insert(words_.end(), list.begin(), list.end());
  }
  /// A list with its length.
  void reals(std::span<const double> list) {
    word(list.size());
    for (const double value : list) real(value);
  }

  /// @throws Error if the stream refuses the bytes.
  /// Writes all that was collected; the writer stays as it is.
  void write(std::ostream& out, const StateFormat& format) const {
    std::string bytes(format.magic.begin(), format.magic.end());
    bytes.reserve(bytes.size() + (words_.size() + 3) * sizeof(std::uint64_t));
    std::uint64_t checksum = 0;
    const auto append = [&](std::uint64_t word) {
      checksum = hash_combine(checksum, word);
      for (unsigned shift = 0; shift < 64; shift += 8) {
        bytes.push_back(static_cast<char>(static_cast<unsigned char>(word >> shift)));
      }
    };
    append(format.version);
    append(words_.size());
    for (const std::uint64_t word : words_) append(word);
    append(checksum);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!out) {
      throw Error(std::string(format.name) + ": the stream refused its " +
                  std::to_string(bytes.size()) + " bytes");
    }
  }

 private:
  std::vector<std::uint64_t> words_;
};

/// Reads what a `StateWriter` wrote, whole, before it hands out a word; no byte beyond it.
///
/// Each getter throws CorruptState if the content ends before it, or is not what it asks for.
class StateReader {
 public:
  /// @throws CorruptState if it is truncated, damaged, of another version or another kind of state.
  StateReader(std::istream& in, const StateFormat& format) : name_(format.name) {
    check_magic(in, format);
    std::uint64_t checksum = 0;
    const auto next = [&] {
      const std::uint64_t word = read_word(in);
      checksum = hash_combine(checksum, word);
      return word;
    };
    if (const std::uint64_t version = next(); version != format.version) {
      refuse("version " + std::to_string(version) + ", this is " + std::to_string(format.version));
    }
    // A damaged length must not ask for memory: the words come one by one until the stream ends.
    const std::uint64_t count = next();
    for (std::uint64_t i = 0; i < count; ++i) words_.push_back(next());
    const std::uint64_t expected = checksum;
    if (const std::uint64_t found = read_word(in); found != expected) {
      refuse("its checksum is " + std::to_string(found) + ", its content's " +
             std::to_string(expected));
    }
  }

  /// The next word.
  [[nodiscard]] std::uint64_t word() {
    if (at_ == words_.size()) refuse("its content ends too early");
    return words_[at_++];
  }
  /// The next word as the bits of a double.
  [[nodiscard]] double real() { return std::bit_cast<double>(word()); }
  /// The next word, which must be 0 or 1.
  [[nodiscard]] bool flag() {
    const std::uint64_t value = word();
    if (value > 1) refuse("a flag is " + std::to_string(value));
    return value == 1;
  }
  /// The length of a list whose entries take at least a word each.
  [[nodiscard]] std::size_t count() {
    const std::uint64_t size = word();
    const std::size_t left = words_.size() - at_;
    if (size > left) {
      refuse("a list of " + std::to_string(size) + " entries in " + std::to_string(left) +
             " words");
    }
    return static_cast<std::size_t>(size);
  }
  /// The next list, of the length that stands before it.
  [[nodiscard]] std::vector<std::uint64_t> words() {
    std::vector<std::uint64_t> list(count());
    for (std::uint64_t& entry : list) entry = word();
    return list;
  }
  /// The next list, each of its words as the bits of a double.
  [[nodiscard]] std::vector<double> reals() {
    std::vector<double> list(count());
    for (double& entry : list) entry = real();
    return list;
  }
  /// To be called after the last getter.
  /// @throws CorruptState if content is left over.
  void expect_end() const {
    if (at_ != words_.size()) {
      refuse(std::to_string(words_.size() - at_) + " words are left over");
    }
  }

  /// Says why this state cannot be taken up.
  [[noreturn]] void refuse(const std::string& why) const {
    throw CorruptState(std::string(name_) + ": " + why);
  }

 private:
  void check_magic(std::istream& in, const StateFormat& format) {
    std::array<char, 8> found{};
    read_bytes(in, found);
    if (found != format.magic) refuse("it does not begin with the magic number of one");
  }

  std::uint64_t read_word(std::istream& in) {
    std::array<char, sizeof(std::uint64_t)> bytes{};
    read_bytes(in, bytes);
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    return word;
  }

  void read_bytes(std::istream& in, std::array<char, 8>& to) {
    in.read(to.data(), static_cast<std::streamsize>(to.size()));
    bytes_read_ += static_cast<std::size_t>(in.gcount());
    if (static_cast<std::size_t>(in.gcount()) != to.size()) {
      refuse("truncated, it ends after " + std::to_string(bytes_read_) + " bytes");
    }
  }

  const char* name_;
  std::vector<std::uint64_t> words_;
  std::size_t at_ = 0;
  std::size_t bytes_read_ = 0;
};

}  // namespace reprise::inline v0
