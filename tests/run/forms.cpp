// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Values that are kept in other forms: exact ones change no bit, approximate ones reach nobody who
// does not tolerate them, and bytes of both memories are what the ledger says.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/any_planner.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/forms/form_candidates.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/forms.hpp>
#include <reprise/store/remat_store.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/cases.hpp"
#include "support/keep_random.hpp"
#include "support/ledger_check.hpp"
#include "support/random_graph.hpp"
#include "support/random_step.hpp"
#include "support/toy_forms.hpp"

namespace {

using reprise_test::CountingMemory;
using reprise_test::FormFaults;
using reprise_test::KeepRandom;
using reprise_test::NoStatistics;
using reprise_test::RandomGraph;
using reprise_test::StepResult;
using reprise_test::Tensor;
using Forms = reprise::Forms<Tensor>;

enum Kind : std::size_t { halved, rounded, moved };

/// A random graph, whose outputs random forms keep.
class Training {
 public:
  explicit Training(std::uint64_t seed)
      : random_(static_cast<std::uint32_t>(seed)), graph(random_) {
    forms.add(reprise_test::Halving{&memory(), &faults});
    forms.add(reprise_test::Rounding{{&memory(), &faults}});
    forms.add(reprise_test::HostMover(memory(), host, faults));
  }

  [[nodiscard]] CountingMemory& memory() { return graph.world->memory; }

  /// Each candidate in a form of one of the kinds, or as it is.
  void choose(std::vector<Kind> kinds) {
    forms.choose_by([this, kinds = std::move(kinds)](const reprise::Program& program,
                                                     const Forms&) {
      std::vector<reprise::ChosenForm> chosen;
      std::mt19937 random(program.values().size());
      for (const reprise::value_id value :
           reprise::form_candidates(program, reprise::Exactness::exact)) {
        const Kind kind = kinds[random() % kinds.size()];
        const auto tolerant =
            reprise::form_candidates(program, reprise::Exactness::biased, reprise::Bias::allowed);
        const bool may = kind != rounded || std::ranges::count(tolerant, value) > 0;
        if (random() % 4 == 0 || !may) continue;
        chosen.push_back(forms.choice(kind, program, value, reprise::Bias::allowed));
        if (kind == rounded) note_second_restoration(program, random() % 2, chosen.back());
      }
      choices = chosen.size();
      std::vector<reprise::FormChoice> plain;
      for (const reprise::ChosenForm& form : chosen) {
        plain.push_back(form.choice);
        saved_tensors +=
            program.values()[form.choice.value].kind == reprise::ValueKind::saved ? 1 : 0;
      }
      loss = reprise::with_forms(program, plain).operation_of[program.loss()];
      return chosen;
    });
  }

  template <class P>
  StepResult step(P planner, reprise::RematStoreOptions<> options = {}, std::uint64_t seed = 1,
                  bool verifies = false, bool has_forms = true) {
    NoStatistics tracker;
    reprise::CheckpointScheduler scheduler{reprise::AnyPlanner(std::move(planner))};
    reprise::RematStore store{has_forms ? forms : Forms{}, std::move(options)};
    reprise::Checkpointed net{
        graph.graph, tracker, scheduler, store, {.seed = seed, .verify_replay = verifies}};
    const Tensor input = graph.tensor(0.3);
    StepResult result = reprise_test::run_step(graph, net, input);
    report = net.report();
    CHECK(store.host_account()->live_bytes() == 0);
    return result;
  }

 private:
  std::mt19937 random_;

  static void note_second_restoration(const reprise::Program& program, bool is_second,
                                      reprise::ChosenForm& chosen) {
    for (reprise::operation_id op = 0; is_second && op < program.operations().size(); ++op) {
      if (!program.operations()[op].tolerates_read(chosen.choice.value)) continue;
      chosen.choice.reads.push_back({.reader = op, .restoration = 1});
    }
  }

 public:
  RandomGraph graph;
  CountingMemory host;
  FormFaults faults;
  Forms forms;
  reprise::RunReport report;
  std::size_t choices = 0;
  std::size_t saved_tensors = 0;   ///< chosen so far
  reprise::operation_id loss = 0;  ///< in the program with forms
};

/// Counts what each action does to both memories.
struct Check {
  explicit Check(Training& t)
      : ledger{t.memory(), t.graph.width * sizeof(double), t.graph.graph.size()}, training(&t) {
    ledger.counts_missing_gradients = t.graph.is(reprise_test::Family::none);
  }
  void operator()(const reprise::ActionEvent& event) {
    ledger.loss = training->loss;
    ledger(event);
    if (event.moment == reprise::ActionEvent::Moment::before) return;
    restored += event.action.restores_original ? 1 : 0;
    started += event.action.kind == reprise::ActionKind::start ? 1 : 0;
  }

  reprise_test::LedgerCheck ledger;
  Training* training;
  std::size_t restored = 0;  ///< originals
  std::size_t started = 0;   ///< copies beside computing
};

}  // namespace

TEST_CASE("exact forms change no bit, whatever the plan recomputes") {
  std::size_t kept_otherwise = 0;
  std::size_t saved_tensors = 0;
  for (std::uint64_t seed = 0; seed < reprise_test::cases(400); ++seed) {
    CAPTURE(seed);
    Training training(seed);
    training.choose({halved, moved});
    const StepResult expected = training.step(reprise::StoreAll{}, {}, seed, false, false);
    std::mt19937 random(static_cast<std::uint32_t>(seed));
    CHECK(training.step(KeepRandom{&random}, {}, seed, seed % 3 == 0) == expected);
    CHECK(training.memory().live == 0);
    CHECK(training.host.live == 0);
    CHECK(training.report.peak_host_bytes == training.host.peak);
    kept_otherwise += training.choices;
    saved_tensors += training.saved_tensors;
  }
  CHECK(kept_otherwise > reprise_test::cases(400));
  CHECK(saved_tensors > reprise_test::cases(400) / 4);
}

TEST_CASE("an approximate form is the same again, and reaches only who tolerates it") {
  std::size_t changed = 0;
  for (std::uint64_t seed = 0; seed < reprise_test::cases(400); ++seed) {
    CAPTURE(seed);
    Training training(seed);
    training.choose({rounded});
    const StepResult exact = training.step(reprise::StoreAll{}, {}, seed, false, false);
    const StepResult kept = training.step(reprise::StoreAll{}, {}, seed);
    std::mt19937 random(static_cast<std::uint32_t>(seed));
    // What is recomputed and encoded again is encoded to the same bits.
    CHECK(training.step(KeepRandom{&random}, {}, seed, seed % 3 == 0) == kept);
    CHECK(kept.outputs == exact.outputs);
    // Only weights' gradients tolerate here: those of the graph's input stay exact.
    for (std::size_t i = 0; i < training.graph.width; ++i) {
      CHECK(kept.gradients[i] == exact.gradients[i]);
    }
    changed += kept.gradients != exact.gradients ? 1 : 0;
    CHECK(training.memory().live == 0);
  }
  CHECK(changed > 0);
}

TEST_CASE("the ledger is the allocator inside each action, in both memories") {
  std::size_t restored = 0;
  std::size_t started = 0;
  for (std::uint64_t seed = 0; seed < reprise_test::cases(400); ++seed) {
    CAPTURE(seed);
    Training training(seed);
    training.choose({halved, rounded, moved});
    Check check(training);
    std::mt19937 random(static_cast<std::uint32_t>(seed));
    static_cast<void>(training.step(
        KeepRandom{&random},
        {.observer = [&check](const reprise::ActionEvent& event) { check(event); }}, seed));
    CHECK_MESSAGE(check.ledger.fault.empty(), check.ledger.fault);
    CHECK(training.report.peak_host_bytes == training.host.peak);
    CHECK(training.memory().live == 0);
    CHECK(training.host.live == 0);
    restored += check.restored;
    started += check.started;
  }
  CHECK(restored > 0);
  CHECK(started > 0);
}

TEST_CASE("several passes are in flight with their forms") {
  for (std::uint64_t seed = 0; seed < reprise_test::cases(60); ++seed) {
    CAPTURE(seed);
    Training training(seed);
    training.choose({halved, moved});
    const auto gradients = [&](std::size_t in_flight, bool has_forms) {
      NoStatistics tracker;
      reprise::CheckpointScheduler scheduler{reprise::RecomputeAll{}};
      reprise::RematStore store{has_forms ? training.forms : Forms{}};
      reprise::Checkpointed net{
          training.graph.graph, tracker, scheduler, store, {.passes_in_flight = in_flight}};
      const Tensor input = training.graph.tensor(0.3);
      training.graph.zero_gradients();
      net.begin_step();
      if (in_flight == 2) {
        auto first = net.forward(input);
        auto second = net.forward(input);
        run_backward(training.graph, net, std::move(first));
        run_backward(training.graph, net, std::move(second));
      } else {
        for (int i = 0; i < 2; ++i) run_backward(training.graph, net, net.forward(input));
      }
      CHECK(net.report().peak_bytes <= net.report().predicted_peak_bytes);
      net.end_step();
      return training.graph.gradients();
    };
    CHECK(gradients(2, true) == gradients(1, false));
    CHECK(training.host.live == 0);
  }
}

TEST_CASE("a store that evicts keeps forms, too") {
  std::size_t kept_otherwise = 0;
  for (std::uint64_t seed = 0; seed < reprise_test::cases(200); ++seed) {
    CAPTURE(seed);
    Training training(seed);
    training.choose({halved, moved});
    const auto step = [&](bool has_forms, reprise::byte_count budget) {
      reprise::RematStore store{
          reprise::DtrEqClass{}, has_forms ? training.forms : Forms{}, {.budget = budget}};
      reprise::Checkpointed net{training.graph.graph, store, {.seed = seed}};
      const Tensor input = training.graph.tensor(0.3);
      const StepResult result = reprise_test::run_step(training.graph, net, input);
      training.report = net.report();
      CHECK(store.host_account()->live_bytes() == 0);
      return result;
    };
    const StepResult expected = step(false, reprise::unlimited_bytes);
    CHECK(step(true, reprise::unlimited_bytes) == expected);
    const reprise::byte_count peak = training.report.peak_bytes;
    try {
      const StepResult tight = step(true, peak * 3 / 4);
      CHECK(tight == expected);
      CHECK(training.report.peak_bytes <= peak * 3 / 4);
    } catch (const reprise::BudgetExceeded&) {
    }
    kept_otherwise += training.choices;
    CHECK(training.memory().live == 0);
    CHECK(training.host.live == 0);
  }
  CHECK(kept_otherwise > 0);
}

TEST_CASE("whatever fails while a form is made or restored, nothing is held") {
  for (std::uint64_t seed = 0; seed < reprise_test::cases(40); ++seed) {
    CAPTURE(seed);
    Training training(seed);
    training.choose({halved, moved});
    const StepResult expected = training.step(reprise::StoreAll{}, {}, seed);
    const auto fails = [&](auto&& arm) {
      for (std::size_t number = 0;; ++number) {
        CAPTURE(number);
        arm(number);
        bool has_failed = false;
        try {
          static_cast<void>(training.step(reprise::RecomputeAll{}, {}, seed));
        } catch (const std::exception&) {
          has_failed = true;
        }
        CHECK(training.faults.gone_under_way == 0);
        training.faults = {};
        training.memory().fails_at.reset();
        training.host.fails_at.reset();
        CHECK(training.memory().live == 0);
        CHECK(training.host.live == 0);
        if (!has_failed) break;
      }
      CHECK(training.step(reprise::RecomputeAll{}, {}, seed) == expected);
    };
    fails([&](std::size_t n) { training.faults = {.throws_at = n}; });
    fails([&](std::size_t n) { training.memory().fails_at = training.memory().allocations + n; });
    fails([&](std::size_t n) { training.host.fails_at = training.host.allocations + n; });
  }
}

TEST_CASE("a budget of the host is kept") {
  Training training(3);
  training.choose({moved});
  static_cast<void>(training.step(reprise::StoreAll{}));
  const reprise::byte_count peak = training.report.peak_host_bytes;
  REQUIRE(peak > 0);
  CHECK_NOTHROW(static_cast<void>(training.step(reprise::StoreAll{}, {.host_budget = peak})));
  CHECK(training.report.moved_bytes > peak);
  CHECK_THROWS_AS(static_cast<void>(training.step(reprise::StoreAll{}, {.host_budget = peak - 1})),
                  reprise::BudgetExceeded);
  CHECK(training.host.live == 0);
}

TEST_CASE("what a maker makes beyond its option is refused") {
  struct Liar : reprise_test::Halving {
    [[nodiscard]] reprise::FormOption option(reprise::byte_count bytes) const {
      reprise::FormOption option = Halving::option(bytes);
      option.bytes = 0;
      return option;
    }
  };
  Training training(5);
  const std::size_t liar = training.forms.add(Liar{{&training.memory(), &training.faults}});
  training.forms.choose_by([&](const reprise::Program& program, const Forms&) {
    std::vector<reprise::ChosenForm> chosen;
    for (const reprise::value_id value :
         reprise::form_candidates(program, reprise::Exactness::exact)) {
      chosen.push_back(training.forms.choice(liar, program, value));
    }
    return chosen;
  });
  static_cast<void>(training.step(reprise::StoreAll{}));
  const reprise::byte_count peak = training.report.peak_bytes;
  CHECK(training.memory().live == 0);
  CHECK(peak > 0);
}

TEST_CASE("what is refused in the middle of a copy goes once the copy is over") {
  struct Swelling : reprise_test::HostMover {
    using HostMover::HostMover;
    [[nodiscard]] reprise::FormOption option(reprise::byte_count bytes) const {
      reprise::FormOption option = HostMover::option(bytes);
      option.bytes = bytes / 2;
      return option;
    }
  };
  Training training(3);
  const std::size_t swelling =
      training.forms.add(Swelling(training.memory(), training.host, training.faults));
  training.forms.choose_by([&](const reprise::Program& program, const Forms&) {
    std::vector<reprise::ChosenForm> chosen;
    for (const reprise::value_id value :
         reprise::form_candidates(program, reprise::Exactness::exact)) {
      chosen.push_back(training.forms.choice(swelling, program, value));
    }
    return chosen;
  });
  // It makes more of the host than it said, which is counted, within the host's budget.
  CHECK_NOTHROW(static_cast<void>(training.step(reprise::StoreAll{})));
  CHECK(training.report.peak_host_bytes == training.host.peak);
  CHECK_THROWS_AS(static_cast<void>(
                      training.step(reprise::StoreAll{}, {.host_budget = training.host.peak - 1})),
                  reprise::BudgetExceeded);
  CHECK(training.faults.gone_under_way == 0);
  CHECK(training.memory().live == 0);
  CHECK(training.host.live == 0);
}

TEST_CASE("a pass that is given up between forward and backward holds nothing") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    Training training(seed);
    training.choose({halved, moved});
    NoStatistics tracker;
    reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
    reprise::RematStore store{training.forms};
    reprise::Checkpointed net{training.graph.graph, tracker, scheduler, store};
    const Tensor input = training.graph.tensor(0.3);
    net.begin_step();
    { const auto pass = net.forward(input); }
    CHECK(net.live_bytes() == 0);
    CHECK(store.host_account()->live_bytes() == 0);
    CHECK(training.host.live == 0);
    CHECK(training.faults.gone_under_way == 0);
    net.end_step();
  }
}

TEST_CASE("a choice whose maker makes other forms is refused") {
  Training training(3);
  training.forms.choose_by([&](const reprise::Program& program, const Forms& forms) {
    std::vector<reprise::ChosenForm> chosen;
    for (const reprise::value_id value :
         reprise::form_candidates(program, reprise::Exactness::exact)) {
      chosen.push_back(forms.choice(halved, program, value));
      chosen.back().maker = rounded;
    }
    return chosen;
  });
  CHECK_THROWS_AS(static_cast<void>(training.step(reprise::StoreAll{})), reprise::InvalidArgument);
}

TEST_CASE("a pass may outlive its store") {
  Training training(3);
  training.choose({halved, moved});
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  const Tensor input = training.graph.tensor(0.3);
  const auto pass_of = [&](const Forms& forms) {
    reprise::RematStore store{forms};
    reprise::Checkpointed net{training.graph.graph, tracker, scheduler, store};
    net.begin_step();
    return net.forward(input);
  };
  static_cast<void>(pass_of(training.forms));
  static_cast<void>(pass_of(Forms{}));
  CHECK(training.memory().live == input.size() * sizeof(double));
  CHECK(training.host.live == 0);
}

TEST_CASE("copies that go beside computing need seconds") {
  Training training(3);
  training.choose({moved});
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore store{training.forms};
  reprise::Checkpointed net{
      training.graph.graph, tracker, scheduler, store, {.cost_model = reprise::Flops{}}};
  const Tensor input = training.graph.tensor(0.3);
  net.begin_step();
  CHECK_THROWS_AS(static_cast<void>(net.forward(input)), reprise::InvalidGraph);
}

TEST_CASE("a step with exact forms is verified against one that keeps everything as it is") {
  Training training(3);
  training.choose({halved, moved});
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::RecomputeAll{}};
  reprise::RematStore store{training.forms};
  reprise::Checkpointed net{training.graph.graph, tracker, scheduler, store};
  const Tensor input = training.graph.tensor(0.3);
  net.begin_step();
  const auto loss = [&](auto outputs) {
    std::vector<Tensor> gradients;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      gradients.push_back(reprise_test::output_gradient(training.graph, i));
    }
    return gradients;
  };
  CHECK_NOTHROW(static_cast<void>(net.verify_step(
      loss, [&] { training.graph.zero_gradients(); }, input)));
  net.end_step();
  CHECK(training.host.live == 0);
}
