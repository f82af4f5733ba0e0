// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace reprise_bench {

/// The lengths of GPT-2's parameters in the order in which the model lists them: 124M parameters in
/// 12 blocks of 768 channels, 1.5B in 48 of 1600. The first two are the embeddings, then there are
/// 12 for each block.
inline std::vector<std::size_t> gpt2_lengths(int blocks = 12, std::size_t channels = 768) {
  std::vector<std::size_t> lengths{50257 * channels, 1024 * channels};
  for (int block = 0; block < blocks; ++block) {
    lengths.insert(lengths.end(),
                   {channels, channels, channels * 3 * channels, 3 * channels, channels * channels,
                    channels, channels, channels, channels * 4 * channels, 4 * channels,
                    4 * channels * channels, channels});
  }
  lengths.insert(lengths.end(), {channels, channels});
  return lengths;
}

}  // namespace reprise_bench
