// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <reprise/core/error.hpp>
#include <reprise/store/form_maker.hpp>
#include <reprise/store/forms.hpp>
#include <vector>

#include "support/form_maker_conformance.hpp"
#include "support/toy_forms.hpp"

namespace {

using reprise_test::CountingMemory;
using reprise_test::FormFaults;
using reprise_test::Halving;
using reprise_test::HostMover;
using reprise_test::Rounding;
using reprise_test::Tensor;

static_assert(reprise::FormMaker<Halving, Tensor>);
static_assert(!reprise::AsynchronousFormMaker<Halving, Tensor>);
static_assert(reprise::AsynchronousFormMaker<HostMover, Tensor>);
static_assert(!reprise::FormMaker<Halving, std::vector<float>>);
static_assert(!reprise::FormMaker<int, Tensor>);

}  // namespace

TEST_CASE("makers outside of the library keep what is asked of them") {
  CountingMemory memory;
  CountingMemory host;
  FormFaults faults;
  const auto make_tensor = [&](std::size_t elements) {
    Tensor tensor(memory, elements);
    for (std::size_t i = 0; i < elements; ++i) tensor[i] = std::sin(static_cast<double>(i + 1));
    return tensor;
  };
  reprise_test::check_form_maker<Tensor>(Halving{&memory, &faults}, make_tensor);
  reprise_test::check_form_maker<Tensor>(Rounding{{&memory, &faults}}, make_tensor);
  reprise_test::check_form_maker<Tensor>(HostMover(memory, host, faults), make_tensor);
  CHECK(memory.live == 0);
  CHECK(host.live == 0);
}

TEST_CASE("a maker that is not there, and a choice that names none, are refused") {
  reprise::Forms<Tensor> forms;
  CHECK(forms.size() == 0);
  CHECK_THROWS_WITH_AS(static_cast<void>(forms.option(0, 8)), "form maker 0 of 0",
                       reprise::InvalidArgument);
  const reprise::Program program({{.bytes = 8}}, {{.writes = {0}}}, reprise::Program::no_operation,
                                 1, true);
  CHECK(forms.choose(program).empty());
  forms.choose_by([](const reprise::Program&, const auto&) {
    return std::vector<reprise::ChosenForm>{{.choice = {.value = 0}, .maker = 3}};
  });
  CHECK_THROWS_WITH_AS(static_cast<void>(forms.choose(program)), "form maker 3 of 0",
                       reprise::InvalidArgument);
  CountingMemory memory;
  FormFaults faults;
  const std::size_t halving = forms.add(Halving{&memory, &faults});
  CHECK(forms.choice(halving, program, 0).choice.option.bytes == 0);
  CHECK_THROWS_WITH_AS(static_cast<void>(forms.choice(halving, program, 7)),
                       "a form of value 7 of a program of 1", reprise::InvalidArgument);
}

TEST_CASE("a form that holds nothing restores an empty tensor") {
  reprise::HeldForm<Tensor> nothing;
  CHECK_FALSE(nothing);
  CHECK(nothing.bytes() == 0);
  CHECK(nothing.restore({}).size() == 0);
  CHECK_NOTHROW(nothing.wait());
}
