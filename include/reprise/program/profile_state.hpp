// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Profiles as saved state: measured seconds differ from run to run, decisions must not.

#include <cstddef>
#include <optional>
#include <reprise/core/state_words.hpp>
#include <reprise/program/profile.hpp>

namespace reprise::inline v0 {

namespace profile_state {

inline void write(StateWriter& writer, const std::optional<double>& value) {
  writer.flag(value.has_value());
  writer.real(value.value_or(0));
}

[[nodiscard]] inline std::optional<double> read_optional(StateReader& reader) {
  const bool is_there = reader.flag();
  const double value = reader.real();
  return is_there ? std::optional(value) : std::nullopt;
}

inline void write(StateWriter& writer, const NodeProfile& node) {
  writer.words(node.output_bytes);
  writer.words(node.gradient_bytes);
  writer.word(node.saved_bytes);
  writer.words(node.saved_tensor_bytes);
  write(writer, node.costs.forward_flops);
  write(writer, node.costs.backward_flops);
  write(writer, node.costs.forward_seconds);
  write(writer, node.costs.backward_seconds);
  writer.word(node.costs.forward_transient_bytes);
  writer.word(node.costs.backward_transient_bytes);
  writer.words(node.costs.max_output_bytes);
  writer.word(node.costs.max_saved_bytes);
  writer.real(node.forward_seconds);
  writer.real(node.recompute_seconds);
  writer.real(node.backward_seconds);
  writer.word(node.kind);
}

[[nodiscard]] inline NodeProfile read_node(StateReader& reader) {
  NodeProfile node;
  node.output_bytes = reader.words();
  node.gradient_bytes = reader.words();
  node.saved_bytes = reader.word();
  node.saved_tensor_bytes = reader.words();
  node.costs.forward_flops = read_optional(reader);
  node.costs.backward_flops = read_optional(reader);
  node.costs.forward_seconds = read_optional(reader);
  node.costs.backward_seconds = read_optional(reader);
  node.costs.forward_transient_bytes = reader.word();
  node.costs.backward_transient_bytes = reader.word();
  node.costs.max_output_bytes = reader.words();
  node.costs.max_saved_bytes = reader.word();
  node.forward_seconds = reader.real();
  node.recompute_seconds = reader.real();
  node.backward_seconds = reader.real();
  node.kind = reader.word();
  return node;
}

}  // namespace profile_state

/// Adds a profile to saved state. Linear in its nodes.
inline void write_profile(StateWriter& writer, const Profile& profile) {
  writer.words(profile.input_bytes);
  writer.word(profile.held_bytes);
  writer.word(profile.nodes.size());
  for (const NodeProfile& node : profile.nodes) profile_state::write(writer, node);
}

/// The profile that `write_profile` added; whether it fits a graph is for `check_profile` to say.
/// @throws CorruptState if the words are not a profile's.
[[nodiscard]] inline Profile read_profile(StateReader& reader) {
  Profile profile;
  profile.input_bytes = reader.words();
  profile.held_bytes = reader.word();
  profile.nodes.resize(reader.count());
  for (NodeProfile& node : profile.nodes) node = profile_state::read_node(reader);
  return profile;
}

}  // namespace reprise::inline v0
