// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: there are tensor_traits of this type, and it is no TensorLike
// joined: no

// Without all of them its versions would be asked for by nobody.

#include <reprise/store/operation_store.hpp>

struct Tensor {};

template <>
struct reprise::tensor_traits<Tensor> {
  static byte_count bytes(const Tensor&) { return 0; }
  static const void* storage(const Tensor&) { return nullptr; }
#ifdef REPRISE_POSITIVE
  static void accumulate(Tensor&, const Tensor&) {}
#endif
  static std::uint64_t version(const Tensor&) { return 0; }
};

int main() {
  reprise::OperationStore<Tensor> store(reprise::byte_count{8});
  return static_cast<int>(store.live_bytes());
}
