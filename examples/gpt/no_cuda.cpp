// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <memory>
#include <reprise/core/error.hpp>

#include "training.hpp"

namespace gpt {

std::unique_ptr<Training> training_on_cuda(Precision) {
  throw reprise::Error("--device cuda: this program was built without CUDA");
}

}  // namespace gpt
