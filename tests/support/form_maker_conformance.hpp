// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What every codec and mover promises.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <reprise/core/tensor.hpp>
#include <reprise/program/forms/form_option.hpp>
#include <reprise/store/form_call.hpp>
#include <reprise/store/form_maker.hpp>
#include <reprise/store/forms.hpp>
#include <reprise/store/held_form.hpp>

namespace reprise_test {

/// Holds a maker to what `FormMaker` asks, for tensors that `make_tensor(elements)` gives, whose
/// bits `checksum` of their traits tells apart.
template <class T, reprise::FormMaker<T> M, class MakeTensor>
void check_form_maker(M maker, MakeTensor&& make_tensor) {
  using Traits = reprise::tensor_traits<T>;
  reprise::Forms<T> forms;
  const std::size_t number = forms.add(std::move(maker));
  for (const std::size_t elements : {0U, 1U, 2U, 3U, 7U, 8U, 64U, 257U}) {
    CAPTURE(elements);
    const T tensor = make_tensor(elements);
    const std::uint64_t original = Traits::checksum(tensor);
    const reprise::FormOption option = forms.option(number, Traits::bytes(tensor));
    CHECK_FALSE(option.restorations.empty());
    CHECK((option.is_exact() ? option.variance == 0 : option.variance >= 0));
    const reprise::FormCall call{.seed = 1, .step = 2, .micro_batch = 3, .value = 4};
    reprise::HeldForm<T> form = forms.make(number, tensor, call);
    form.wait();
    reprise::HeldForm<T> again = forms.make(number, tensor, call);
    again.wait();
    CHECK(Traits::checksum(tensor) == original);
    CHECK(form.bytes() <= option.bytes);
    for (std::size_t i = 0; i < option.restorations.size(); ++i) {
      reprise::FormCall restoring = call;
      restoring.restoration = i;
      const T first = form.restore(restoring);
      form.wait();
      const T second = form.restore(restoring);
      form.wait();
      const T other = again.restore(restoring);
      again.wait();
      CHECK(Traits::bytes(first) == Traits::bytes(tensor));
      CHECK(Traits::checksum(first) == Traits::checksum(second));
      CHECK(Traits::checksum(first) == Traits::checksum(other));
      if (option.is_exact()) CHECK(Traits::checksum(first) == original);
      const bool has_memory = Traits::storage(first) != nullptr;
      CHECK((!has_memory || Traits::storage(first) != Traits::storage(tensor)));
      CHECK((!has_memory || Traits::storage(first) != Traits::storage(second)));
    }
    form.wait();  // nothing is under way
  }
}

}  // namespace reprise_test
