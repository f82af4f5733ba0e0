// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Nodes of different types, any arity and any number of outputs, as a layer graph.

#include <any>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <reprise/core/any_saved.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/node.hpp>
#include <reprise/core/node_check.hpp>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// A layer graph built node by node over one tensor type.
///
/// `GradientElement...` are the element types of the parameter gradients that its nodes report.
/// A node is stored by value, or borrowed with `std::ref`; adding the same borrowed node twice
/// shares its parameters. Each node is a layer of its own, unless layers are opened and named.
/// Building is linear; each call of a node costs one virtual call.
template <TensorLike T, class... GradientElement>
class BasicGraph {
 public:
  using tensor_type = T;           ///< what nodes exchange
  using saved_type = AnySaved<T>;  ///< what a node saves, of whatever type its own is

  /// The node type that `add` is given: N itself, or what a `std::reference_wrapper` refers to.
  template <class N>
  using NodeOf = std::remove_reference_t<std::unwrap_ref_decay_t<N>>;

  BasicGraph() = default;
  BasicGraph(const BasicGraph&) = delete;  // it owns its nodes
  BasicGraph& operator=(const BasicGraph&) = delete;
  BasicGraph(BasicGraph&&) noexcept = default;
  BasicGraph& operator=(BasicGraph&&) noexcept = default;
  ~BasicGraph() = default;

  /// Adds an input of the graph and returns where to read it.
  Source input() {
    return {.node = Source::graph_input, .port = static_cast<std::uint32_t>(input_count_++)};
  }

  /// Opens a layer: nodes added from here on belong to it, until the next layer begins or it ends.
  void begin_layer(std::string name) {
    layer_is_open_ = true;
    layer_names_.push_back(std::move(name));
  }
  /// Closes the open layer: nodes added from here on are layers of their own.
  void end_layer() noexcept { layer_is_open_ = false; }

  /// Adds a node that reads the given sources and returns its first port.
  /// @throws InvalidGraph if a source does not exist yet.
  template <class N, std::same_as<Source>... S>
  Source add(N&& n, S... sources) {
    static_assert(node::check<NodeOf<N>, sizeof...(S)>());
    if constexpr (Node<NodeOf<N>, sizeof...(S)>) {
      return add_entry<NodeOf<N>, sizeof...(S)>(std::forward<N>(n), {sources...});
    }
  }

  /// Adds a node of any arity.
  /// @throws InvalidGraph if a source does not exist yet.
  template <class N>
  Source add(N&& n, std::vector<Source> sources) {
    static_assert(node::check<NodeOf<N>, any_arity>());
    if constexpr (Node<NodeOf<N>, any_arity>) {
      return add_entry<NodeOf<N>, any_arity>(std::forward<N>(n), std::move(sources));
    }
  }

  /// Makes a source an output of the graph: what the loss between forward and backward reads.
  /// @throws InvalidGraph if the source does not exist, or is an input or an output already.
  void output(Source source) {
    check(source);
    if (source.is_graph_input()) throw InvalidGraph("a graph input cannot be a graph output");
    for (const Source& other : outputs_) {
      if (other == source) {
        throw InvalidGraph("node " + std::to_string(source.node) + " port " +
                           std::to_string(source.port) + " is an output already");
      }
    }
    outputs_.push_back(source);
  }

  /// Nodes.
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  /// Inputs of the graph: the calls of `input()`.
  [[nodiscard]] std::size_t input_count() const noexcept { return input_count_; }
  /// What node `n` reads, in the order in which `add` was given it.
  [[nodiscard]] std::span<const Source> inputs(std::size_t n) const noexcept {
    return entries_[n].sources;
  }
  /// The sources that `output` was given, in its order.
  [[nodiscard]] std::span<const Source> outputs() const noexcept { return outputs_; }
  /// What node `n` declares, with the layer that it was added to.
  [[nodiscard]] NodeTraits traits(std::size_t n) const {
    NodeTraits traits = entries_[n].node->traits();
    traits.layer = entries_[n].layer;
    return traits;
  }
  /// Names the type of node `n`: the same for nodes of one C++ type.
  [[nodiscard]] std::uint64_t node_type(std::size_t n) const { return entries_[n].node->type(); }
  /// The name that `begin_layer` was given; "layer 3" for a node that is a layer of its own.
  [[nodiscard]] const std::string& layer_name(std::size_t layer) const {
    return layer_names_[layer];
  }

  /// Calls the forward of node `n`, see `LayerGraph`; throws what the node throws.
  void forward(std::size_t n, Arguments<T> inputs, std::span<T> outputs, saved_type& saved,
               PassContext& pass) {
    entries_[n].node->forward(inputs, outputs, saved, pass);
  }
  /// Calls the backward of node `n`, see `LayerGraph`; throws what the node throws.
  void backward(std::size_t n, Arguments<T> inputs, Arguments<T> outputs, saved_type& saved,
                Arguments<T> gradients, PassContext& pass, std::span<T* const> input_gradients) {
    entries_[n].node->backward(inputs, outputs, saved, gradients, pass, input_gradients);
  }
  /// What node `n` costs for these inputs; a cost that it does not declare is empty.
  [[nodiscard]] NodeCosts costs(std::size_t n, Arguments<T> inputs) {
    return entries_[n].node->costs(inputs);
  }

  /// Calls `f` with a span of each parameter gradient of a node.
  template <class F>
  void for_each_gradient(std::size_t n, F&& f) {
    const GradientVisitor visitor{std::function<void(std::span<GradientElement>)>(
        [&f](std::span<GradientElement> gradient) { f(gradient); })...};
    entries_[n].node->visit_gradients(visitor);
  }

  /// The engine's own state of a node as of now; empty if the node has none.
  [[nodiscard]] std::any capture_state(std::size_t n) const {
    return entries_[n].node->capture_state();
  }
  /// Puts back what `capture_state` returned for node `n`.
  void restore_state(std::size_t n, const std::any& state) {
    entries_[n].node->restore_state(state);
  }
  /// What node `n` keeps in itself for its backward; 0 unless it says so.
  [[nodiscard]] byte_count resident_bytes(std::size_t n) const {
    return entries_[n].node->resident_bytes();
  }
  /// Lets node `n` free what it keeps in itself; nothing happens unless it keeps something.
  void release_resident(std::size_t n) { entries_[n].node->release_resident(); }

 private:
  using GradientVisitor = std::tuple<std::function<void(std::span<GradientElement>)>...>;

  struct AnyNode {
    virtual ~AnyNode() = default;
    [[nodiscard]] virtual NodeTraits traits() const = 0;
    [[nodiscard]] virtual std::uint64_t type() const = 0;
    virtual void forward(Arguments<T> inputs, std::span<T> outputs, saved_type& saved,
                         PassContext& pass) = 0;
    virtual void backward(Arguments<T> inputs, Arguments<T> outputs, saved_type& saved,
                          Arguments<T> gradients, PassContext& pass,
                          std::span<T* const> input_gradients) = 0;
    [[nodiscard]] virtual NodeCosts costs(Arguments<T> inputs) = 0;
    virtual void visit_gradients(const GradientVisitor& visitor) = 0;
    [[nodiscard]] virtual std::any capture_state() const = 0;
    virtual void restore_state(const std::any& state) = 0;
    [[nodiscard]] virtual byte_count resident_bytes() const = 0;
    virtual void release_resident() = 0;
  };

  template <class N, std::size_t arity, class Held>
  struct Model final : AnyNode {
    explicit Model(Held h) : held(std::move(h)) {}

    [[nodiscard]] N& get() const { return const_cast<N&>(static_cast<const N&>(held)); }

    [[nodiscard]] NodeTraits traits() const override { return node_traits<N, arity>(get()); }
    [[nodiscard]] std::uint64_t type() const override {
      return hash_bytes(std::as_bytes(std::span(std::string_view(typeid(N).name()))));
    }
    void forward(Arguments<T> inputs, std::span<T> outputs, saved_type& saved,
                 PassContext& pass) override {
      call_forward<arity>(get(), inputs, outputs, saved.template as<saved_type_of<N>>(), pass);
    }
    void backward(Arguments<T> inputs, Arguments<T> outputs, saved_type& saved,
                  Arguments<T> gradients, PassContext& pass,
                  std::span<T* const> input_gradients) override {
      call_backward<arity>(get(), inputs, outputs, saved.template as<saved_type_of<N>>(), gradients,
                           pass, input_gradients);
    }
    [[nodiscard]] NodeCosts costs(Arguments<T> inputs) override {
      return call_costs<arity>(get(), inputs);
    }
    void visit_gradients(const GradientVisitor& visitor) override {
      const auto visit = [&]<class Gradient>(Gradient gradient) {
        static_assert((std::same_as<Gradient, std::span<GradientElement>> || ...),
                      "for_each_gradient calls f with a std::span of each parameter gradient, of "
                      "one of the element types that the graph is told of");
        std::get<std::function<void(Gradient)>>(visitor)(gradient);
      };
      if constexpr (requires { get().for_each_gradient(visit); }) get().for_each_gradient(visit);
    }
    [[nodiscard]] std::any capture_state() const override {
      if constexpr (requires { get().capture_state(); }) return get().capture_state();
      return {};
    }
    void restore_state(const std::any& state) override {
      if constexpr (requires { get().restore_state(get().capture_state()); }) {
        using State = decltype(get().capture_state());
        get().restore_state(std::any_cast<const State&>(state));
      }
    }
    [[nodiscard]] byte_count resident_bytes() const override {
      if constexpr (requires { get().resident_bytes(); }) return get().resident_bytes();
      return 0;
    }
    void release_resident() override {
      if constexpr (requires { get().release_resident(); }) get().release_resident();
    }

    Held held;
  };

  struct Entry {
    std::unique_ptr<AnyNode> node;
    std::vector<Source> sources;
    std::uint32_t layer;
    std::uint32_t output_count;
  };

  template <class N, std::size_t arity, class Given>
  // NOLINTNEXTLINE(performance-unnecessary-value-param): it is moved, in braces that hide it
  Source add_entry(Given&& given, std::vector<Source> sources) {
    static_assert(std::same_as<typename N::tensor_type, T>,
                  "the node's tensor_type is not the graph's");
    for (const Source& source : sources) check(source);
    using Held = std::decay_t<Given>;
    auto model = std::make_unique<Model<N, arity, Held>>(std::forward<Given>(given));
    const std::uint32_t output_count = model->traits().output_count;
    if (!layer_is_open_) layer_names_.push_back("layer " + std::to_string(layer_names_.size()));
    entries_.push_back({.node = std::move(model),
                        .sources = std::move(sources),
                        .layer = static_cast<std::uint32_t>(layer_names_.size() - 1),
                        .output_count = output_count});
    return {.node = static_cast<std::uint32_t>(entries_.size() - 1), .port = 0};
  }

  void check(Source source) const {
    const bool exists =
        source.is_graph_input()
            ? source.port < input_count_
            : source.node < entries_.size() && source.port < entries_[source.node].output_count;
    if (!exists) {
      throw InvalidGraph(source.is_graph_input()
                             ? "there is no graph input " + std::to_string(source.port)
                             : "there is no port " + std::to_string(source.port) + " of node " +
                                   std::to_string(source.node));
    }
  }

  std::vector<Entry> entries_;
  std::vector<Source> outputs_;
  std::vector<std::string> layer_names_;
  std::size_t input_count_ = 0;
  bool layer_is_open_ = false;
};

/// A graph whose parameter gradients are of type float or double.
template <TensorLike T>
using Graph = BasicGraph<T, float, double>;

}  // namespace reprise::inline v0
