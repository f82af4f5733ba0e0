// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: HasStorage
// joined: no

#include <reprise/core/graph.hpp>

struct Opaque {};

template <>
struct reprise::tensor_traits<Opaque> {
  static byte_count bytes(const Opaque&) { return 0; }
#ifdef REPRISE_POSITIVE
  static const void* storage(const Opaque&) { return nullptr; }
#endif
  static void accumulate(Opaque&, const Opaque&) {}
};

int main() { return static_cast<int>(reprise::Graph<Opaque>().size()); }
