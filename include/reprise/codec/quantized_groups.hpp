// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Groups of elements on grids of their own: what Quantize and QuantizePair are made of.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/code_planes.hpp>
#include <reprise/codec/codec.hpp>
#include <reprise/codec/element_lanes.hpp>
#include <reprise/codec/group_grid.hpp>
#include <reprise/codec/group_noise.hpp>
#include <reprise/core/philox.hpp>

namespace reprise::inline v0::codes {

using instruction_sets::InstructionSet;
using instruction_sets::Vector;

/// Which of the numbers that a code holds is read.
enum class CodeRead : std::uint8_t {
  whole,   ///< the code itself
  half,    ///< half of it: the mean of a pair
  first,   ///< the first of a pair, whose sum it is
  second,  ///< the second
};

/// Codes of `Width` bits for a grid of `Levels` steps, in groups of `Group`.
/// @tparam Draws independent roundings whose sum a code is; 0 for one that is to the nearest
template <std::size_t Width, std::uint32_t Levels, std::size_t Group, std::size_t Draws>
struct QuantizedGroups {
  using Planes = CodePlanes<Width, Group>;  ///< of a full group
  using Row = CodeRow<Width>;               ///< of the last one, if it is not full

  /// Of the grid of a group.
  static constexpr std::size_t grid_bytes = sizeof(std::uint32_t);

  /// Bytes of the codes of a group that is not full: those of a constant at least.
  [[nodiscard]] static constexpr std::size_t row_bytes(std::size_t count) noexcept {
    return count == 0 ? 0 : std::max(Row::bytes(count), sizeof(float));
  }
  /// Full groups' codes, then all groups' grids, then the last group's codes if it is not full. So
  /// codes of full groups lie at multiples of 16 bytes.
  [[nodiscard]] static constexpr std::size_t bytes(std::size_t elements) noexcept {
    const std::size_t groups = elements / Group + (elements % Group == 0 ? 0 : 1);
    return elements / Group * Planes::bytes + groups * grid_bytes + row_bytes(elements % Group);
  }

  /// The code of one number.
  class Rounder {
   public:
    explicit constexpr Rounder(const GroupGrid& grid) noexcept
        : grid_(grid),
          per_step_(0x1p16 / grid.step()),
          zero_(static_cast<float>(grid.zero())),
          float_per_step_(static_cast<float>(per_step_)) {}

    /// What is taken away from numbers.
    [[nodiscard]] constexpr float zero() const noexcept { return zero_; }
    /// What that is multiplied by, to count in 2^-16 of a step.
    [[nodiscard]] constexpr float per_step() const noexcept { return float_per_step_; }

    /// The code of element i of a group.
    [[nodiscard]] constexpr std::uint32_t operator()(
        float x, std::size_t i, const std::array<GroupNoise, 2>& noises) const noexcept {
      const auto place = std::min(
          grid_.is_wide()
              ? static_cast<std::int32_t>((static_cast<double>(x) - grid_.zero()) * per_step_)
              : static_cast<std::int32_t>((x - zero_) * float_per_step_),
          most);
      if constexpr (Draws == 0) return (static_cast<std::uint32_t>(place) + 0x8000U) >> 16U;
      std::uint32_t code = 0;
      for (std::size_t draw = 0; draw < Draws; ++draw) {
        code += (static_cast<std::uint32_t>(place) + noises[draw](i)) >> 16U;
      }
      return code;
    }

   private:
    GroupGrid grid_;
    double per_step_;
    float zero_;
    float float_per_step_;
  };

  /// The last code, in 2^-16 of a step.
  static constexpr std::int32_t most = static_cast<std::int32_t>(Levels << 16U);

  /// Encodes full groups: the number of the first that has an element that is not finite, or -1.
  template <CodedElement T, InstructionSet I>
  struct Encode {
    const std::byte* in;   ///< elements, at any address
    std::size_t groups;    ///< full ones
    std::byte* codes;      ///< of all groups
    std::byte* grids;      ///< of all groups
    const Philox& stream;  ///< of the tensor

    [[gnu::always_inline]] double operator()() const noexcept {
      for (std::size_t group = 0; group < groups; ++group) {
        if (!encode_group(group)) return static_cast<double>(group);
      }
      return -1;
    }

   private:
    static constexpr std::size_t width = lanes_of<I>;
    static constexpr std::size_t registers = Group / width;
    using Lanes = ElementLanes<T, I>;
    using Floats = Vector<float, width>;
    using Ints = Vector<std::int32_t, width>;
    using Words = Vector<std::uint32_t, width>;

    [[gnu::always_inline]] bool encode_group(std::size_t group) const noexcept {
      const std::byte* const from = in + group * Group * sizeof(T);
      std::byte* const to = codes + group * Planes::bytes;
      float low = 0;
      float high = 0;
      if (!find_range(from, low, high)) return false;
      GroupGrid grid = GroupGrid::constant();
      if (low == high) {
        put_constant<T>(from, to, Planes::bytes);
      } else {
        grid = GroupGrid::covering(low, high, Levels);
        encode_codes(from, to, grid, group);
      }
      const std::uint32_t bits = grid.bits();
      std::memcpy(grids + group * grid_bytes, &bits, sizeof(bits));
      return true;
    }

    [[gnu::always_inline]] static bool find_range(const std::byte* from, float& low,
                                                  float& high) noexcept {
      Floats lows;
      Lanes::load(lows, from);
      Floats highs = lows;
      Ints strange = lows != lows;
      for (std::size_t i = 1; i < registers; ++i) {
        Floats x;
        Lanes::load(x, from + i * width * sizeof(T));
        lows = x < lows ? x : lows;
        highs = x > highs ? x : highs;
        strange |= x != x;
      }
      std::array<float, width> low_of;
      std::array<float, width> high_of;
      std::array<std::int32_t, width> is_strange;
      std::memcpy(low_of.data(), &lows, sizeof(lows));
      std::memcpy(high_of.data(), &highs, sizeof(highs));
      std::memcpy(is_strange.data(), &strange, sizeof(strange));
      for (std::size_t half = width / 2; half > 0; half /= 2) {
        for (std::size_t i = 0; i < half; ++i) {
          low_of[i] = low_of[i + half] < low_of[i] ? low_of[i + half] : low_of[i];
          high_of[i] = high_of[i + half] > high_of[i] ? high_of[i + half] : high_of[i];
          is_strange[i] |= is_strange[i + half];
        }
      }
      low = low_of[0];
      high = high_of[0];
      constexpr float most_finite = std::numeric_limits<float>::max();
      return is_strange[0] == 0 && low >= -most_finite && high <= most_finite;
    }

    [[gnu::always_inline]] void encode_codes(const std::byte* from, std::byte* to,
                                             const GroupGrid& grid,
                                             std::size_t group) const noexcept {
      std::array<GroupNoise, 2> noises{};
      if constexpr (Draws > 0) noises = group_noises(stream, group);
      const Rounder rounder(grid);
      std::array<Words, registers> found;
      if (grid.is_wide()) {
        for (std::size_t i = 0; i < Group; ++i) {
          found[i / width][i % width] = rounder(to_float(element_at<T>(from, i)), i, noises);
        }
      } else {
        constexpr std::size_t registers_of_block = GroupNoise::stride / width;
        for (std::size_t block = 0; block < Group / GroupNoise::stride; ++block) {
          std::array<Words, registers_of_block> first;
          std::array<Words, registers_of_block> second;
          if constexpr (Draws > 0) {
            noises[0].template block<width>(static_cast<std::uint32_t>(block), first);
          }
          if constexpr (Draws > 1) {
            noises[1].template block<width>(static_cast<std::uint32_t>(block), second);
          }
          for (std::size_t i = 0; i < registers_of_block; ++i) {
            const std::size_t at = block * registers_of_block + i;
            Floats x;
            Lanes::load(x, from + at * width * sizeof(T));
            x = (x - rounder.zero()) * rounder.per_step();
            Ints place = __builtin_convertvector(x, Ints);
            place = place > most ? Ints{} + most : place;
            Words words;
            std::memcpy(&words, &place, sizeof(words));
            if constexpr (Draws == 0) found[at] = (words + 0x8000U) >> 16U;
            if constexpr (Draws == 1) found[at] = (words + first[i]) >> 16U;
            if constexpr (Draws == 2) {
              found[at] = ((words + first[i]) >> 16U) + ((words + second[i]) >> 16U);
            }
          }
        }
      }
      Planes::template pack<width>(found, to);
    }
  };

  /// Encodes `count` elements of a group that is not full: the first that is not finite, if any.
  template <CodedElement T>
  static std::optional<std::size_t> encode_last(const std::byte* in, std::size_t count,
                                                std::size_t group, std::byte* row, std::byte* grid,
                                                const Philox& stream) noexcept {
    if (const auto strange = first_strange<T>(in, count)) return strange;
    float low = to_float(element_at<T>(in, 0));
    float high = low;
    for (std::size_t i = 1; i < count; ++i) {
      low = std::min(low, to_float(element_at<T>(in, i)));
      high = std::max(high, to_float(element_at<T>(in, i)));
    }
    GroupGrid found = GroupGrid::constant();
    if (low == high) {
      put_constant<T>(in, row, row_bytes(count));
    } else {
      found = GroupGrid::covering(low, high, Levels);
      const Rounder rounder(found);
      const std::array<GroupNoise, 2> noises = group_noises(stream, group);
      std::fill_n(row, row_bytes(count), std::byte{0});
      for (std::size_t i = 0; i < count; ++i) {
        Row::put(row, i, rounder(to_float(element_at<T>(in, i)), i, noises));
      }
    }
    const std::uint32_t bits = found.bits();
    std::memcpy(grid, &bits, sizeof(bits));
    return std::nullopt;
  }

  /// Decodes full groups.
  template <CodedElement T, InstructionSet I, CodeRead Read>
  struct Decode {
    const std::byte* codes;  ///< of all groups
    const std::byte* grids;  ///< of all groups
    std::size_t groups;      ///< full ones
    std::byte* out;          ///< elements, at any address
    const Philox& stream;    ///< of the tensor, for the coins

    [[gnu::always_inline]] double operator()() const noexcept {
      for (std::size_t group = 0; group < groups; ++group) decode_group(group);
      return 0;
    }

   private:
    static constexpr std::size_t width = lanes_of<I>;
    using Lanes = ElementLanes<T, I>;
    using Floats = Vector<float, width>;
    using Ints = Vector<std::int32_t, width>;
    using Words = Vector<std::uint32_t, width>;

    [[gnu::always_inline]] void decode_group(std::size_t group) const noexcept {
      const std::byte* const from = codes + group * Planes::bytes;
      std::byte* const to = out + group * Group * sizeof(T);
      const GroupGrid grid = grid_at(grids + group * grid_bytes);
      if (grid.is_constant()) {
        const T value = constant_at<T>(from);
        for (std::size_t i = 0; i < Group; ++i) put_element(to, i, value);
        return;
      }
      GroupNoise coins{};
      if constexpr (takes_coins<Read>) coins = group_coins(stream, group);
      if (grid.is_wide()) {
        for (std::size_t i = 0; i < Group; ++i) {
          put_element(to, i, value_of<T, Read>(grid, Planes::at(from, i), i, coins));
        }
        return;
      }
      const auto zero = static_cast<float>(grid.zero());
      const auto step = static_cast<float>(grid.step()) * (Read == CodeRead::half ? 0.5F : 1.0F);
      constexpr std::size_t registers_of_block = GroupNoise::stride / width;
      for (std::size_t block = 0; block < Group / GroupNoise::stride; ++block) {
        std::array<Words, registers_of_block> noise;
        if constexpr (takes_coins<Read>) {
          coins.template block<width>(static_cast<std::uint32_t>(block), noise);
        }
        for (std::size_t i = 0; i < registers_of_block; ++i) {
          const std::size_t at = block * registers_of_block + i;
          Words code;
          Planes::template unpack<width>(from, at, code);
          if constexpr (Read == CodeRead::first) code = (code + (noise[i] & 1U)) >> 1U;
          if constexpr (Read == CodeRead::second) code = (code + (~noise[i] & 1U)) >> 1U;
          Ints whole;
          std::memcpy(&whole, &code, sizeof(whole));
          const Floats value = __builtin_convertvector(whole, Floats) * step + zero;
          Lanes::store(to + at * width * sizeof(T), value);
        }
      }
    }
  };

  /// Decodes `count` elements of a group that is not full.
  template <CodedElement T, CodeRead Read>
  static void decode_last(const std::byte* row, const std::byte* grid_bits, std::size_t count,
                          std::size_t group, std::byte* out, const Philox& stream) noexcept {
    const GroupGrid grid = grid_at(grid_bits);
    const GroupNoise coins = group_coins(stream, group);
    for (std::size_t i = 0; i < count; ++i) {
      put_element(out, i,
                  grid.is_constant() ? constant_at<T>(row)
                                     : value_of<T, Read>(grid, Row::at(row, i), i, coins));
    }
  }

  /// Encodes all: the first element that is not finite, if any.
  template <CodedElement T, InstructionSet I>
  static std::optional<std::size_t> encode(const std::byte* in, std::size_t elements,
                                           std::byte* code, const Philox& stream) noexcept {
    const std::size_t groups = elements / Group;
    const std::size_t last = elements % Group;
    std::byte* const grids = code + groups * Planes::bytes;
    const double strange = I::run(Encode<T, I>{in, groups, code, grids, stream});
    const std::size_t stop = strange < 0 ? groups : static_cast<std::size_t>(strange);
    const std::byte* const rest = in + stop * Group * sizeof(T);
    if (stop < groups) return stop * Group + first_strange<T>(rest, Group).value_or(0);
    if (last == 0) return std::nullopt;
    const auto found = encode_last<T>(rest, last, groups, grids + (groups + 1) * grid_bytes,
                                      grids + groups * grid_bytes, stream);
    if (found) return stop * Group + *found;
    return std::nullopt;
  }

  /// Decodes all.
  template <CodedElement T, InstructionSet I, CodeRead Read>
  static void decode(const std::byte* code, std::size_t elements, std::byte* out,
                     const Philox& stream) noexcept {
    const std::size_t groups = elements / Group;
    const std::byte* const grids = code + groups * Planes::bytes;
    I::run(Decode<T, I, Read>{code, grids, groups, out, stream});
    if (elements % Group == 0) return;
    decode_last<T, Read>(grids + (groups + 1) * grid_bytes, grids + groups * grid_bytes,
                         elements % Group, groups, out + groups * Group * sizeof(T), stream);
  }

 private:
  template <CodeRead Read>
  static constexpr bool takes_coins = Read == CodeRead::first || Read == CodeRead::second;

  [[nodiscard]] static GroupGrid grid_at(const std::byte* from) noexcept {
    std::uint32_t bits = 0;
    std::memcpy(&bits, from, sizeof(bits));
    return {bits, Levels};
  }

  template <CodedElement T>
  static void put_constant(const std::byte* in, std::byte* to, std::size_t size) noexcept {
    const float value = to_float(element_at<T>(in, 0));
    std::memset(to, 0, size);
    std::memcpy(to, &value, sizeof(value));
  }

  template <CodedElement T>
  [[nodiscard]] static T constant_at(const std::byte* from) noexcept {
    float value = 0;
    std::memcpy(&value, from, sizeof(value));
    return to_element<T>(static_cast<double>(value));
  }

  template <CodedElement T, CodeRead Read>
  [[nodiscard]] static T value_of(const GroupGrid& grid, std::uint32_t code, std::size_t i,
                                  const GroupNoise& coins) noexcept {
    double place = code;
    if constexpr (Read == CodeRead::half) place *= 0.5;
    if constexpr (Read == CodeRead::first) place = (code + (coins(i) & 1U)) >> 1U;
    if constexpr (Read == CodeRead::second) place = (code + (~coins(i) & 1U)) >> 1U;
    if (grid.is_wide()) return to_element<T>(grid.zero() + place * grid.step());
    return to_element<T>(static_cast<double>(static_cast<float>(grid.zero()) +
                                             static_cast<float>(place * grid.step())));
  }

  template <CodedElement T>
  [[nodiscard]] static std::optional<std::size_t> first_strange(const std::byte* in,
                                                                std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
      if (!std::isfinite(to_float(element_at<T>(in, i)))) return i;
    }
    return std::nullopt;
  }
};

}  // namespace reprise::inline v0::codes
