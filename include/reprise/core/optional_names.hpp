// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Which optional members a class names, whether or not they can be called as expected.

#include <type_traits>

namespace reprise::inline v0::naming {

/// The optional members of nodes and of layer graphs.
struct OptionalNames {
  int for_each_gradient;
  int costs;
  int recompute;
  int is_frozen;
  int capture_state;
  int restore_state;
  int resident_bytes;
  int release_resident;
  int profile;
  int shape_signature;
  int layer_name;
};

/// The optional members of `tensor_traits` and `tape_traits`.
struct OptionalTraits {
  int checksum;
  int elements;
  int is_persistent;
  int signature;
  int version;
  int records_backward;
  int capture_state;
  int restore_state;
};

template <class N, class Names>
struct With : N, Names {};

/// A class in which it can be asked what it names: lookup finds two where the class has one.
template <class N>
concept Open = std::is_class_v<N> && !std::is_final_v<N>;

/// A class that nothing derives from is asked for each name itself, which misses overloads and
/// templates.
template <class N>
concept Closed = std::is_final_v<N>;

template <class N>
concept NamesGradients = (Open<N> && !requires { &With<N, OptionalNames>::for_each_gradient; }) ||
                         (Closed<N> && requires { &N::for_each_gradient; });
template <class N>
concept NamesCosts = (Open<N> && !requires { &With<N, OptionalNames>::costs; }) ||
                     (Closed<N> && requires { &N::costs; });
template <class N>
concept NamesRecompute = (Open<N> && !requires { &With<N, OptionalNames>::recompute; }) ||
                         (Closed<N> && requires { &N::recompute; });
template <class N>
concept NamesFrozen = (Open<N> && !requires { &With<N, OptionalNames>::is_frozen; }) ||
                      (Closed<N> && requires { &N::is_frozen; });
template <class N>
concept NamesCapture = (Open<N> && !requires { &With<N, OptionalNames>::capture_state; }) ||
                       (Closed<N> && requires { &N::capture_state; });
template <class N>
concept NamesRestore = (Open<N> && !requires { &With<N, OptionalNames>::restore_state; }) ||
                       (Closed<N> && requires { &N::restore_state; });
template <class N>
concept NamesResidentBytes = (Open<N> && !requires { &With<N, OptionalNames>::resident_bytes; }) ||
                             (Closed<N> && requires { &N::resident_bytes; });
template <class N>
concept NamesReleaseResident = (Open<N> &&
                                !requires { &With<N, OptionalNames>::release_resident; }) ||
                               (Closed<N> && requires { &N::release_resident; });
template <class N>
concept NamesProfile = (Open<N> && !requires { &With<N, OptionalNames>::profile; }) ||
                       (Closed<N> && requires { &N::profile; });
template <class N>
concept NamesShapeSignature = (Open<N> &&
                               !requires { &With<N, OptionalNames>::shape_signature; }) ||
                              (Closed<N> && requires { &N::shape_signature; });
template <class N>
concept NamesLayerName = (Open<N> && !requires { &With<N, OptionalNames>::layer_name; }) ||
                         (Closed<N> && requires { &N::layer_name; });

template <class N>
concept TraitsNameChecksum = (Open<N> && !requires { &With<N, OptionalTraits>::checksum; }) ||
                             (Closed<N> && requires { &N::checksum; });
template <class N>
concept TraitsNameElements = (Open<N> && !requires { &With<N, OptionalTraits>::elements; }) ||
                             (Closed<N> && requires { &N::elements; });
template <class N>
concept TraitsNamePersistent = (Open<N> &&
                                !requires { &With<N, OptionalTraits>::is_persistent; }) ||
                               (Closed<N> && requires { &N::is_persistent; });
template <class N>
concept TraitsNameSignature = (Open<N> && !requires { &With<N, OptionalTraits>::signature; }) ||
                              (Closed<N> && requires { &N::signature; });
template <class N>
concept TraitsNameVersion = (Open<N> && !requires { &With<N, OptionalTraits>::version; }) ||
                            (Closed<N> && requires { &N::version; });
template <class N>
concept TraitsNameRecordsBackward = (Open<N> &&
                                     !requires { &With<N, OptionalTraits>::records_backward; }) ||
                                    (Closed<N> && requires { &N::records_backward; });
template <class N>
concept TraitsNameCapture = (Open<N> && !requires { &With<N, OptionalTraits>::capture_state; }) ||
                            (Closed<N> && requires { &N::capture_state; });
template <class N>
concept TraitsNameRestore = (Open<N> && !requires { &With<N, OptionalTraits>::restore_state; }) ||
                            (Closed<N> && requires { &N::restore_state; });

}  // namespace reprise::inline v0::naming
