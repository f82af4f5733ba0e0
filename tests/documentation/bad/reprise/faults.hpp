// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// One name of each kind without documentation, among names that have it or need none.

namespace reprise::inline v0 {

struct Bare {};

/// Has a comment.
enum class Colour {
  red,  ///< has one too
  blue,
};

template <class T>
concept Anything = true;

inline int twice(int x) { return x + x; }

/// Has a comment, and some of its members have.
class Members {
 public:
  using type = int;

  struct Inner {
    int depth = 0;
  };

  enum class Direction {
    left,  ///< has a comment, which is not the enumeration's
    right,
  };

  Members() = default;
  explicit Members(int count) : count(count) {}
  Members(const Members& other) : count(other.count) {}
  Members(Members&&) = delete;
  Members& operator=(const Members& other) {
    count = other.count;
    return *this;
  }
  Members& operator=(Members&&) = delete;
  ~Members() {}

  int* begin() { return &count; }
  int* end() { return &count + 1; }
  bool operator==(const Members&) const = default;
  bool operator<(const Members& other) const { return count < other.count; }

  /// Has a comment, which is the other's too.
  int& value() { return count; }
  const int& value() const { return count; }

  int count = 0;  ///< has a comment
  int weight = 0;

 protected:
  int height = 0;

 private:
  struct Hidden {
    int width = 0;
  };
  int shade = 0;
};

namespace parts {

struct Inner {
  int size = 0;
};

}  // namespace parts

}  // namespace reprise::inline v0
