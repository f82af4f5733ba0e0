// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// RMM's own resources are what Reprise asks of one, as they are. Compiled against RMM's headers,
// and not run: that would take a device.

#include <memory>
#include <reprise/backend/cuda_memory.cuh>
#include <reprise/backend/stream_ordered_resource.cuh>
#include <rmm/mr/cuda_async_memory_resource.hpp>
#include <rmm/mr/cuda_memory_resource.hpp>
#include <rmm/mr/pool_memory_resource.hpp>
#include <rmm/mr/statistics_resource_adaptor.hpp>
#include <rmm/resource_ref.hpp>

using reprise::StreamOrderedResource;

static_assert(StreamOrderedResource<rmm::mr::cuda_memory_resource>);
static_assert(StreamOrderedResource<rmm::mr::cuda_async_memory_resource>);
static_assert(StreamOrderedResource<rmm::mr::pool_memory_resource>);
static_assert(StreamOrderedResource<rmm::mr::statistics_resource_adaptor>);
static_assert(StreamOrderedResource<rmm::device_async_resource_ref>);
static_assert(!StreamOrderedResource<rmm::device_resource_ref>);

reprise::CudaMemory memory_of(rmm::mr::cuda_async_memory_resource& resource) {
  return reprise::CudaMemory(resource);
}
reprise::CudaMemory memory_of(rmm::device_async_resource_ref resource) {
  return reprise::CudaMemory(std::make_shared<rmm::device_async_resource_ref>(resource));
}
