// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// One name of each kind without documentation.

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

namespace parts {

struct Inner {};

}  // namespace parts

}  // namespace reprise::inline v0
