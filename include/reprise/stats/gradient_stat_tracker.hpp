// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The squared gradient norm of each layer, smoothed over steps.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <limits>
#include <ostream>
#include <reprise/backend/backend.hpp>
#include <reprise/backend/device_loss_scale.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/backend/host.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/stats/cadence.hpp>
#include <reprise/stats/ema.hpp>
#include <reprise/stats/gradient_scale.hpp>
#include <reprise/stats/gradient_source.hpp>
#include <reprise/stats/observed_layers.hpp>
#include <reprise/stats/smoothing.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// For each layer the squared L2 norm of its parameter gradients, smoothed over steps: the ĝ that
/// thresholds are made of (ĝ <- β ĝ + (1 - β) ‖g‖², bias-corrected, with `Ema`).
///
/// `B` models Backend, `S` Smoothing, `C` Cadence.
///
/// Parameter gradients are read once a step, when they are final: after all micro-batches were
/// added up, before the optimiser clears them. Either all at once, in one pass over memory, by
/// `end_step`, or a layer at a time by `observe`, for engines that reduce and free gradients during
/// backward.
///
/// - A parameter that layers share (the same address) belongs to the first of them.
/// - A layer without parameters of its own has no statistic: its entry is a quiet NaN.
/// - A step in which any layer's norm is not finite is counted and otherwise ignored.
/// - A loss scale that the host knows is given to `end_step`; one that lies in the backend's memory
///   is read there, see `read_loss_scale_from`.
/// - The statistics change in `end_step` and `load` only, and are the same whatever the number of
///   threads. `delay` says which steps they know.
///
/// One object is for one thread at a time. A step allocates nothing, but for `observe` with views.
///
/// @code
/// GradientStatTracker tracker{graph, Ema{.beta = 0.95}};
/// // each step, when the gradients are final:
/// tracker.end_step({.loss_scale = 1024});
/// @endcode
template <Backend B = DefaultBackend, Smoothing S = Ema, Cadence C = EveryStep>
class GradientStatTracker {
 public:
  using backend_type = B;    ///< sums the squares
  using smoothing_type = S;  ///< over the observed steps
  using cadence_type = C;    ///< chooses which steps are observed

  /// `statistics()` before step t is that after step t - delay: 1 on a host, 2 on a device.
  static constexpr std::size_t delay = 1 + static_cast<std::size_t>(B::readback_delay);
  static_assert(delay <= 2, "a state holds the oldest publication on its way and the newest");

  /// Registers all parameter gradients of a graph.
  /// @throws InvalidArgument for parameters of the policies out of range, a null pointer with a
  ///         length, a pointer that is not aligned to its elements.
  template <GradientSource G>
  explicit GradientStatTracker(G& graph, S smoothing = {}, C cadence = {}, B backend = {})
      : GradientStatTracker(gradients_of(graph), std::move(smoothing), std::move(cadence),
                            std::move(backend)) {}

  /// Never compiles, and says what the graph lacks.
  template <HasNodes G>
  requires(!GradientSource<G>) explicit GradientStatTracker(G& /*graph*/, S /*smoothing*/ = {},
                                                            C /*cadence*/ = {}, B /*backend*/ = {})
      : elements_{} {
    static_assert(HasGradients<G>,
                  "the graph shows no parameter gradients: it needs for_each_gradient(node, f), "
                  "which calls f with a span of each of the node's");
    static_assert(HasLayers<G>,
                  "the graph does not say to which layer a node belongs: it needs "
                  "traits(node).layer");
  }

  /// Registers a list of gradients, in any order, of a model of `layers` layers.
  /// @throws InvalidArgument as above, and for a gradient whose layer is not below `layers`.
  GradientStatTracker(std::size_t layers, std::span<const GradientView> gradients, S smoothing = {},
                      C cadence = {}, B backend = {})
      : GradientStatTracker(Registered{layers, {gradients.begin(), gradients.end()}},
                            std::move(smoothing), std::move(cadence), std::move(backend)) {}

  /// Registers no gradients: each step shows them to `observe(layer, gradients)`.
  /// @throws InvalidArgument for parameters of the policies out of range.
  explicit GradientStatTracker(const ObservedLayers& layers, S smoothing = {}, C cadence = {},
                               B backend = {})
      : GradientStatTracker(layers.has_gradients.size(), std::move(smoothing), std::move(cadence),
                            std::move(backend)) {
    is_registered_ = false;
    for (std::size_t layer = 0; layer < elements_.size(); ++layer) {
      elements_[layer] = layers.has_gradients[layer] ? 1 : 0;
    }
    make_state();
  }

  /// How many layers there are, those without statistic included.
  [[nodiscard]] std::size_t layers() const noexcept { return elements_.size(); }

  /// Whether the layer has parameters of its own. @throws InvalidArgument if there is no such
  /// layer.
  [[nodiscard]] bool has_statistic(std::size_t layer) const {
    check_layer(layer);
    return elements_[layer] != 0;
  }

  /// Whether the cadence has the gradients of the current step read.
  [[nodiscard]] bool is_due() const { return cadence_(steps_); }

  /// Registers where the loss scale lies that gradients carry. From the next `end_step` on, each
  /// step that is read reads it as well, in the backend's order of work: it must then be what this
  /// step's loss was multiplied by, so update it after `end_step`, in the same stream. A scale that
  /// no step has (see DeviceLossScale) has the step ignored and counted in `skipped_steps`.
  ///
  /// The float stays the engine's and must be there as long as the tracker ends steps, or a graph
  /// that steps were captured in is launched: such a graph reads where it did when it was captured.
  /// It is no part of what `save` writes, and `load` leaves it. Called again, it moves the place.
  /// There is no way back to a scale from the host but another tracker, which can `load` this one's
  /// state. Constant, without waiting.
  /// @throws InvalidArgument for a null pointer, one that is not aligned to a float, or one to
  ///         memory that the backend cannot read (on a device: the host's, or another device's);
  ///         the place is then what it was.
  void read_loss_scale_from(const float* loss_scale) {
    backend_.check(DeviceLossScale{loss_scale});
    loss_scale_ = loss_scale;
  }

  /// Reads the registered gradients of one layer now, because they may be gone later in this step.
  /// Nothing happens if the step is not due or the layer has no statistic.
  /// @throws InvalidArgument if there is no such layer.
  /// @throws InvalidState if the layer was observed in this step already, or no gradients were
  ///         registered.
  void observe(std::size_t layer) {
    check_layer(layer);
    if (!is_registered_) {
      throw InvalidState("observe(" + std::to_string(layer) +
                         "): this tracker has no registered gradients, hand them over");
    }
    if (!begin_observation(layer)) return;
    backend_.sum_of_squares(plan_, layer, sums_, layer);
    is_observed_[layer] = true;
  }

  /// Reads the gradients of one layer where they lie now; afterwards the engine may free them. The
  /// views' `layer` is not looked at. For trackers of `ObservedLayers`.
  /// @throws InvalidArgument if there is no such layer, if it was said to have no gradients and has
  ///         some, and for views as in registration.
  /// @throws InvalidState if the layer was observed in this step already, or gradients were
  ///         registered.
  void observe(std::size_t layer, std::span<const GradientView> gradients) {
    check_layer(layer);
    if (is_registered_) {
      throw InvalidState("observe(" + std::to_string(layer) +
                         ", gradients): this tracker's gradients were registered");
    }
    views_.assign(gradients.begin(), gradients.end());
    std::size_t elements = 0;
    for (GradientView& view : views_) {
      view.layer = 0;
      elements += view.size;
    }
    if (elements != 0 && elements_[layer] == 0) {
      throw InvalidArgument("layer " + std::to_string(layer) + " shows " +
                            std::to_string(elements) +
                            " gradient elements and was said to have none");
    }
    if (!begin_observation(layer)) return;
    backend_.sum_of_squares(backend_.make_plan(views_, 1), 0, sums_, layer);
    is_observed_[layer] = true;
  }

  /// Ends an optimiser step: if it is due, reads the gradients of all layers that were not observed
  /// yet, in one pass, and folds the norms into the statistics.
  /// @throws InvalidArgument for a scale that is out of range, and for a loss scale other than 1 if
  ///         it is read from memory.
  /// @throws InvalidState if no gradients were registered and a layer was not observed. In either
  ///         case the step has not ended.
  void end_step(const GradientScale& scale = {}) {
    const double factor = checked_factor(scale);
    if (is_due()) {
      read_what_is_left();
      update_average(factor, scale.micro_batches);
      backend_.publish(statistics_, readback_);
    }
    ++steps_;
    std::fill(is_observed_.begin(), is_observed_.end(), false);
  }

  /// Counts steps that ended by launching a graph again that `end_step` was captured in; capturing
  /// counts as the first launch. For backends that have graphs, registered gradients and a cadence
  /// of every step. A graph must hold `delay` steps or a multiple of that, or as many graphs be
  /// launched in turn; scale and smoothing are those that were captured, but a loss scale that lies
  /// in memory is read anew by each launch.
  /// Launch before asking for statistics.
  void note_replays(std::uint64_t steps) {
    backend_.note_replays(readback_, steps);
    steps_ += steps;
  }

  /// Forgets what was observed in the current step, which failed and may be tried again.
  void abandon_step() noexcept { std::fill(is_observed_.begin(), is_observed_.end(), false); }

  /// ĝ of each layer, a quiet NaN for a layer that has none; empty until a step was folded in. Good
  /// until the next `end_step` or `load`. On a device it may wait for a transfer.
  [[nodiscard]] std::span<const double> statistics() const {
    const std::span<const double> latest = backend_.latest(readback_);
    if (latest.empty() || latest[layout().updates()] == 0.0) return {};
    return latest.first(layers());
  }

  /// How many steps were ended, whether read or not.
  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }

  /// How many steps are folded into `statistics()`.
  [[nodiscard]] std::uint64_t updates() const { return counter(layout().updates()); }

  /// How many steps, as far as `statistics()` knows, were ignored as not finite.
  [[nodiscard]] std::uint64_t skipped_steps() const { return counter(layout().skipped()); }

  /// Writes what the next steps depend on: binary, the same on every machine, with a checksum.
  /// Waits for the device. What was observed in an unfinished step is not part of it.
  /// @throws Error if the stream refuses the bytes.
  void save(std::ostream& out) const {
    const std::vector<std::uint64_t> words = state_words();
    std::string bytes(magic.begin(), magic.end());
    bytes.reserve(magic.size() + words.size() * sizeof(std::uint64_t));
    for (const std::uint64_t word : words) {
      for (unsigned shift = 0; shift < 64; shift += 8) {
        bytes.push_back(static_cast<char>(static_cast<unsigned char>(word >> shift)));
      }
    }
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!out) {
      throw Error("tracker state: the stream refused its " + std::to_string(bytes.size()) +
                  " bytes");
    }
  }

  /// Takes up the state that `save` wrote, of a tracker with the same layers; then the same steps
  /// give the same statistics, to the bit. Reads no byte beyond it.
  /// @throws CorruptState if it is truncated, damaged, of another version or of another model; the
  ///         tracker is then unchanged.
  void load(std::istream& in) {
    std::array<char, magic.size()> found{};
    read_bytes(in, found.data(), found.size(), 0);
    if (found != magic)
      throw CorruptState("tracker state: it does not begin with the magic number of one");
    const std::size_t count = word_count();
    std::vector<std::uint64_t> words(count);
    for (std::size_t i = 0; i < count; ++i) {
      words[i] = read_word(in, i);
      // Each is looked at before anything that depends on it is read: another model's state is
      // another length.
      if (i == version_word && words[i] != version) {
        throw CorruptState("tracker state: version " + std::to_string(words[i]) + ", this is " +
                           std::to_string(version));
      }
      if (i == layers_word && words[i] != layers()) {
        throw CorruptState("tracker state: of a model of " + std::to_string(words[i]) +
                           " layers, this one has " + std::to_string(layers()));
      }
    }
    const std::uint64_t checksum = words.back();
    words.pop_back();
    if (checksum != checksum_of(words)) {
      throw CorruptState("tracker state: its checksum is " + std::to_string(checksum) +
                         ", its content's " + std::to_string(checksum_of(words)));
    }
    if (words[model_word] != fingerprint()) {
      throw CorruptState(
          "tracker state: of a model whose layers have other numbers of parameters (fingerprint " +
          std::to_string(words[model_word]) + ", this one's is " + std::to_string(fingerprint()) +
          ")");
    }
    adopt(words);
  }

 private:
  struct Registered {
    std::size_t layers;
    std::vector<GradientView> gradients;
  };

  // Version 1: words of 64 bits, little-endian: version, layers, model, steps, then the moments and
  // the statistics with their counters, as bit patterns, then the checksum of all words before.
  static constexpr std::array<char, 8> magic{'R', 'P', 'R', 'S', 'T', 'A', 'T', 'S'};
  static constexpr std::uint64_t version = 1;
  static constexpr std::size_t version_word = 0;
  static constexpr std::size_t layers_word = 1;
  static constexpr std::size_t model_word = 2;
  static constexpr std::size_t steps_word = 3;
  static constexpr std::size_t header_words = 4;

  GradientStatTracker(std::size_t layers, S smoothing, C cadence, B backend)
      : backend_(std::move(backend)),
        smoothing_(std::move(smoothing)),
        cadence_(std::move(cadence)),
        elements_(layers),
        is_observed_(layers) {
    smoothing_.validate();
    cadence_.validate();
  }

  GradientStatTracker(Registered registered, S smoothing, C cadence, B backend)
      : GradientStatTracker(registered.layers, std::move(smoothing), std::move(cadence),
                            std::move(backend)) {
    backend_.check(registered.gradients, layers());  // by the index that the caller knows
    keep_owned(registered.gradients);
    for (const GradientView& view : registered.gradients) elements_[view.layer] += view.size;
    plan_ = backend_.make_plan(registered.gradients, layers());
    make_state();
  }

  static constexpr std::size_t most_empty_layers = 65536;

  template <class G>
  static Registered gradients_of(G& graph) {
    Registered registered{0, {}};
    const auto nodes = static_cast<std::size_t>(graph.size());
    for (std::size_t node = 0; node < nodes; ++node) {
      const auto layer = static_cast<std::uint32_t>(graph.traits(node).layer);
      registered.layers = std::max(registered.layers, std::size_t{layer} + 1);
      graph.for_each_gradient(node, Visitor{registered.gradients, layer});
    }
    if (registered.layers > nodes + most_empty_layers) {
      throw InvalidArgument(std::to_string(registered.layers) + " layers of " +
                            std::to_string(nodes) + " nodes: more than " +
                            std::to_string(most_empty_layers) + " have none");
    }
    return registered;
  }

  struct Visitor {
    std::vector<GradientView>& gradients;
    std::uint32_t layer;

    template <std::ranges::contiguous_range R>
    requires Element<std::ranges::range_value_t<R>>
    void operator()(const R& gradient) const {
      gradients.push_back(gradient_view(gradient, layer));
    }
    void operator()(const GradientView& gradient) const {
      gradients.push_back(gradient);
      gradients.back().layer = layer;
    }
  };

  // Orders by layer and leaves each address with the first layer that has it.
  static void keep_owned(std::vector<GradientView>& gradients) {
    std::stable_sort(
        gradients.begin(), gradients.end(),
        [](const GradientView& a, const GradientView& b) { return a.layer < b.layer; });
    std::unordered_set<const void*> seen;
    std::erase_if(gradients, [&seen](const GradientView& view) {
      return view.size == 0 || !seen.insert(view.data).second;
    });
  }

  [[nodiscard]] std::vector<double> start_state() const {
    std::vector<double> start(layout().size(), 0.0);
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      if (elements_[layer] == 0) start[layer] = std::numeric_limits<double>::quiet_NaN();
    }
    return start;
  }

  // A moment that is NaN stays NaN through every update: this is how a layer has no statistic.
  void make_state() {
    const std::size_t size = layout().size();
    sums_ = backend_.make_buffer(layers());
    moments_ = backend_.make_buffer(size);
    statistics_ = backend_.make_buffer(size);
    readback_ = backend_.make_readback(size);
    const std::vector<double> start = start_state();
    backend_.copy_from_host(start, moments_);
    backend_.copy_from_host(start, statistics_);
  }

  void check_layer(std::size_t layer) const {
    if (layer >= layers()) {
      throw InvalidArgument("layer " + std::to_string(layer) + " of a model of " +
                            std::to_string(layers()) + " layers");
    }
  }

  bool begin_observation(std::size_t layer) const {
    if (!is_due() || elements_[layer] == 0) return false;
    if (is_observed_[layer]) {
      throw InvalidState("layer " + std::to_string(layer) + " was observed in step " +
                         std::to_string(steps_) + " already");
    }
    return true;
  }

  void read_what_is_left() {
    if (std::none_of(is_observed_.begin(), is_observed_.end(), [](bool is) { return is; }) &&
        is_registered_) {
      backend_.sum_of_squares(plan_, sums_);
      return;
    }
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      if (is_observed_[layer] || elements_[layer] == 0) continue;
      if (!is_registered_) {
        throw InvalidState("step " + std::to_string(steps_) + " ends and layer " +
                           std::to_string(layer) + " was not observed");
      }
      backend_.sum_of_squares(plan_, layer, sums_, layer);
    }
  }

  [[nodiscard]] double checked_factor(const GradientScale& scale) const {
    if (loss_scale_ != nullptr && scale.loss_scale != 1.0) {
      throw InvalidArgument("GradientScale: the loss scale is " + std::to_string(scale.loss_scale) +
                            " and must be left at 1, as the tracker reads it from memory");
    }
    return scale.squared_norm_factor();
  }

  void update_average(double factor, std::uint64_t micro_batches) {
    if (loss_scale_ == nullptr) {
      backend_.update_average(smoothing_, factor, sums_, moments_, statistics_);
    } else {
      backend_.update_average(smoothing_, DeviceLossScale{loss_scale_, micro_batches}, sums_,
                              moments_, statistics_);
    }
  }

  [[nodiscard]] StatisticsLayout layout() const noexcept { return {layers()}; }

  [[nodiscard]] std::uint64_t counter(std::size_t at) const {
    const std::span<const double> latest = backend_.latest(readback_);
    return latest.empty() ? 0 : static_cast<std::uint64_t>(latest[at]);
  }

  [[nodiscard]] std::uint64_t fingerprint() const noexcept {
    std::uint64_t hash = is_registered_ ? 1 : 2;
    for (const std::size_t elements : elements_) hash = hash_combine(hash, elements);
    return hash;
  }

  [[nodiscard]] std::size_t word_count() const noexcept {
    return header_words + (1 + delay) * layout().size() + 1;
  }

  static std::uint64_t checksum_of(const std::vector<std::uint64_t>& words) noexcept {
    std::uint64_t hash = words.size();
    for (const std::uint64_t word : words) hash = hash_combine(hash, word);
    return hash;
  }

  [[nodiscard]] std::vector<std::uint64_t> state_words() const {
    std::vector<std::uint64_t> words{version, layers(), fingerprint(), steps_};
    words.reserve(word_count());
    std::vector<double> values(layout().size());
    const auto append = [&words](std::span<const double> of_layers) {
      for (const double value : of_layers) words.push_back(std::bit_cast<std::uint64_t>(value));
    };
    backend_.copy_to_host(moments_, values);
    append(values);
    if constexpr (delay > 1) {  // what the host sees before what is still on its way
      const std::span<const double> seen = backend_.latest(readback_);
      seen.empty() ? append(start_state()) : append(seen);
    }
    backend_.copy_to_host(statistics_, values);
    append(values);
    words.push_back(checksum_of(words));
    return words;
  }

  void read_bytes(std::istream& in, char* to, std::size_t size, std::size_t before) const {
    in.read(to, static_cast<std::streamsize>(size));
    if (static_cast<std::size_t>(in.gcount()) != size) {
      throw CorruptState("tracker state: it ends after " +
                         std::to_string(before + static_cast<std::size_t>(in.gcount())) + " of " +
                         std::to_string(magic.size() + word_count() * sizeof(std::uint64_t)) +
                         " bytes");
    }
  }

  std::uint64_t read_word(std::istream& in, std::size_t index) const {
    std::array<char, sizeof(std::uint64_t)> bytes{};
    read_bytes(in, bytes.data(), bytes.size(), magic.size() + index * bytes.size());
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    return word;
  }

  // The words are what `save` wrote; a checksum alone does not say that a tracker can have been so.
  void adopt(const std::vector<std::uint64_t>& words) {
    const std::size_t size = layout().size();
    std::vector<double> values((1 + delay) * size);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = std::bit_cast<double>(words[header_words + i]);
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t at = i % size;
      const bool has_none = at < layers() && elements_[at] == 0;
      const bool is_good =
          has_none ? std::isnan(values[i]) : std::isfinite(values[i]) && values[i] >= 0.0;
      if (!is_good) {
        throw CorruptState("tracker state: value " + std::to_string(at) + " is " +
                           std::to_string(values[i]));
      }
    }
    const std::span<const double> moments(values.data(), size);
    const double ended = moments[layout().updates()] + moments[layout().skipped()];
    if (ended > static_cast<double>(words[steps_word])) {
      throw CorruptState("tracker state: " + std::to_string(ended) + " readings in " +
                         std::to_string(words[steps_word]) + " steps");
    }
    backend_.copy_from_host(moments, moments_);
    for (std::size_t i = 1; i <= delay; ++i) {
      backend_.copy_from_host(std::span<const double>(values).subspan(i * size, size), statistics_);
      backend_.publish(statistics_, readback_);
    }
    steps_ = words[steps_word];
    abandon_step();
  }

  B backend_;
  S smoothing_;
  C cadence_;
  bool is_registered_ = true;
  const float* loss_scale_ = nullptr;  // the engine's; null for one that `end_step` is given
  std::uint64_t steps_ = 0;
  std::vector<std::size_t> elements_;  // of each layer; of ObservedLayers 1 or 0
  std::vector<bool> is_observed_;
  std::vector<GradientView> views_;  // scratch of `observe`
  typename B::gradient_plan plan_;
  typename B::buffer_type sums_;
  typename B::buffer_type moments_;
  typename B::buffer_type statistics_;
  typename B::readback_type readback_;
};

}  // namespace reprise::inline v0
