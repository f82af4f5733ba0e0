// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "engine/model.hpp"

namespace gpt {

template class Model<Cpu>;
template class Model<InBfloat16<Cpu>>;

}  // namespace gpt
