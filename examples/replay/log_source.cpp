// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "log_source.hpp"

#include <lzma.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <new>
#include <reprise/core/error.hpp>

#include "malformed_program.hpp"

namespace replay {
namespace {

constexpr std::size_t chunk_size = std::size_t{1} << 16U;

/// A file as it is.
class File final : public LogSource {
 public:
  explicit File(const std::string& path) : path_(path), stream_(path, std::ios::binary) {
    if (!stream_ || std::filesystem::is_directory(path)) fail();
  }

  [[nodiscard]] std::string_view next() override {
    if (!stream_) return {};
    stream_.read(chunk_.data(), static_cast<std::streamsize>(chunk_.size()));
    if (stream_.bad()) fail();
    return {chunk_.data(), static_cast<std::size_t>(stream_.gcount())};
  }

 private:
  [[noreturn]] void fail() const { throw reprise::InvalidArgument("cannot read " + path_); }

  std::string path_;
  std::ifstream stream_;
  std::array<char, chunk_size> chunk_{};
};

// C interfaces take bytes that they promise not to change.
std::uint8_t* bytes_of(const char* text) {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text));
}

/// What a decoder did with what it was given.
enum class Decoded : std::uint8_t { more, end, truncated, damaged };

/// Unpacks .xz, of which several may follow each other.
class XzDecoder {
 public:
  XzDecoder() {
    const auto no_limit = std::numeric_limits<std::uint64_t>::max();
    if (lzma_stream_decoder(&stream_, no_limit, LZMA_CONCATENATED) != LZMA_OK) {
      throw reprise::Error("cannot start the xz decoder");
    }
  }
  XzDecoder(const XzDecoder&) = delete;
  XzDecoder& operator=(const XzDecoder&) = delete;
  ~XzDecoder() { lzma_end(&stream_); }

  [[nodiscard]] bool wants_input() const noexcept { return stream_.avail_in == 0 && !is_last_; }
  /// The next input; the last one is empty.
  void feed(std::string_view packed) {
    stream_.next_in = bytes_of(packed.data());
    stream_.avail_in = packed.size();
    is_last_ = packed.empty();
  }
  [[nodiscard]] Decoded decode(char* out, std::size_t& size) {
    stream_.next_out = bytes_of(out);
    stream_.avail_out = size;
    const lzma_ret status = lzma_code(&stream_, is_last_ ? LZMA_FINISH : LZMA_RUN);
    size -= stream_.avail_out;
    if (status == LZMA_MEM_ERROR) throw std::bad_alloc();
    if (status == LZMA_OK) return Decoded::more;
    if (status == LZMA_STREAM_END) return Decoded::end;
    return status == LZMA_BUF_ERROR ? Decoded::truncated : Decoded::damaged;
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool is_last_ = false;
};

/// Unpacks .gz, of which several may follow each other.
class GzipDecoder {
 public:
  GzipDecoder() {
    const int gzip_of_any_window = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, gzip_of_any_window) != Z_OK) {
      throw reprise::Error("cannot start the gzip decoder");
    }
  }
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;
  ~GzipDecoder() { inflateEnd(&stream_); }

  [[nodiscard]] bool wants_input() const noexcept { return stream_.avail_in == 0 && !is_last_; }
  /// The next input; the last one is empty.
  void feed(std::string_view packed) {
    stream_.next_in = bytes_of(packed.data());
    stream_.avail_in = static_cast<uInt>(packed.size());
    is_last_ = packed.empty();
  }
  [[nodiscard]] Decoded decode(char* out, std::size_t& size) {
    if (is_whole_ && is_last_) return size = 0, Decoded::end;
    if (is_whole_) {
      is_whole_ = false;
      inflateReset(&stream_);
    }
    stream_.next_out = bytes_of(out);
    stream_.avail_out = static_cast<uInt>(size);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    size -= stream_.avail_out;
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    if (status == Z_STREAM_END) is_whole_ = true;
    if (status == Z_OK || status == Z_STREAM_END) return Decoded::more;
    return status == Z_BUF_ERROR ? Decoded::truncated : Decoded::damaged;
  }

 private:
  z_stream stream_{};
  bool is_last_ = false;
  bool is_whole_ = false;  ///< an archive has just ended
};

/// What comes out of an archive.
template <class Decoder>
class Archive final : public LogSource {
 public:
  explicit Archive(const std::string& path) : path_(path), file_(path) {}

  [[nodiscard]] std::string_view next() override {
    std::size_t size = 0;
    while (size == 0 && !is_over_) {
      if (decoder_.wants_input()) decoder_.feed(file_.next());
      size = chunk_.size();
      const Decoded decoded = decoder_.decode(chunk_.data(), size);
      if (decoded == Decoded::truncated) fail("the archive is truncated");
      if (decoded == Decoded::damaged) fail("the archive is damaged");
      is_over_ = decoded == Decoded::end;
    }
    const std::string_view piece(chunk_.data(), size);
    lines_ += static_cast<std::size_t>(std::ranges::count(piece, '\n'));
    return piece;
  }

 private:
  [[noreturn]] void fail(const char* fault) const {
    throw MalformedProgram(path_, 1 + lines_, fault);
  }

  std::string path_;
  File file_;
  Decoder decoder_;
  std::array<char, chunk_size> chunk_{};
  bool is_over_ = false;
  std::size_t lines_ = 0;  ///< that were handed out whole
};

}  // namespace

std::unique_ptr<LogSource> open_log(const std::string& path) {
  if (path.ends_with(".xz")) return std::make_unique<Archive<XzDecoder>>(path);
  if (path.ends_with(".gz")) return std::make_unique<Archive<GzipDecoder>>(path);
  return std::make_unique<File>(path);
}

}  // namespace replay
