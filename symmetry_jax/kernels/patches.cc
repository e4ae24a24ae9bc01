// Patches of images, and their overlap-add, for XLA on CPU: what patches.py says in jax.
//
// Images are (..., channel, height, width, batch), patches (..., tap down, tap across, channel, patch down, patch across, batch).
// The batch is what every inner loop runs over, so that whatever the strides, memory is read and written in pieces of it.

#include <algorithm>
#include <cstdint>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

using Sizes = ffi::Span<const int64_t>;  // down and across

// One axis of the window: tap t of patch p is pixel p * stride + t - pad, which is outside of the image for some.
struct Axis {
  int64_t taps, stride, pad, patches, pixels;

  int64_t pixel(int64_t patch, int64_t tap) const { return patch * stride + tap - pad; }

  // The first patch whose tap is at this pixel, or after it.
  int64_t reaching(int64_t pixel, int64_t tap) const {
    const int64_t distance = pixel - tap + pad;
    return std::clamp(distance <= 0 ? 0 : (distance + stride - 1) / stride, int64_t{0}, patches);
  }
  int64_t first(int64_t tap) const { return reaching(0, tap); }
  int64_t last(int64_t tap) const { return reaching(pixels, tap); }  // one beyond it
};

struct Geometry {
  int64_t arrays, channels, batch;
  Axis down, across;

  int64_t image() const { return down.pixels * across.pixels * batch; }      // entries of a channel
  int64_t patches() const { return down.patches * across.patches * batch; }  // entries of a tap and channel
  int64_t row() const { return across.patches * batch; }
};

Geometry geometry(ffi::AnyBuffer::Dimensions images, Sizes window, Sizes strides, Sizes pads, Sizes patches) {
  const size_t last = images.size() - 4;
  int64_t arrays = 1;
  for (size_t axis = 0; axis < last; ++axis) arrays *= images[axis];
  auto axis = [&](size_t which) {
    return Axis{window[which], strides[which], pads[which], patches[which], images[last + 1 + which]};
  };
  return {arrays, images[last], images[last + 3], axis(0), axis(1)};
}

template <typename T>
void copy_patches(const Geometry& of, const T* images, T* __restrict patches) {
  const Axis &down = of.down, &across = of.across;
  for (int64_t array = 0; array < of.arrays; ++array, images += of.channels * of.image()) {
    for (int64_t i = 0; i < down.taps; ++i) {
      for (int64_t j = 0; j < across.taps; ++j) {
        const int64_t first = across.first(j), last = across.last(j);
        const int64_t run = across.stride == 1 ? last - first : 1;  // patches whose taps lie side by side
        for (int64_t channel = 0; channel < of.channels; ++channel) {
          for (int64_t h = 0; h < down.patches; ++h, patches += of.row()) {
            if (h < down.first(i) || h >= down.last(i)) {
              std::fill_n(patches, of.row(), T{0});
              continue;
            }
            const T* row = images + channel * of.image() + down.pixel(h, i) * across.pixels * of.batch;
            std::fill(patches, patches + first * of.batch, T{0});
            for (int64_t w = first; w < last; w += run) {
              const T* pixel = row + across.pixel(w, j) * of.batch;
              for (int64_t b = 0; b < run * of.batch; ++b) patches[w * of.batch + b] = pixel[b];
            }
            std::fill(patches + last * of.batch, patches + of.row(), T{0});
          }
        }
      }
    }
  }
}

// Taps are added from the last to the first, as in patches.py.
template <typename T>
void add_overlaps(const Geometry& of, const T* patches, T* __restrict images) {
  const Axis &down = of.down, &across = of.across;
  for (int64_t array = 0; array < of.arrays; ++array, patches += down.taps * across.taps * of.channels * of.patches()) {
    for (int64_t channel = 0; channel < of.channels; ++channel, images += of.image()) {
      std::fill_n(images, of.image(), T{0});
      for (int64_t i = down.taps - 1; i >= 0; --i) {
        for (int64_t j = across.taps - 1; j >= 0; --j) {
          const int64_t first = across.first(j), last = across.last(j);
          const int64_t run = across.stride == 1 ? last - first : 1;
          const T* tap = patches + ((i * across.taps + j) * of.channels + channel) * of.patches();
          for (int64_t h = down.first(i); h < down.last(i); ++h) {
            T* row = images + down.pixel(h, i) * across.pixels * of.batch;
            for (int64_t w = first; w < last; w += run) {
              T* __restrict pixel = row + across.pixel(w, j) * of.batch;
              const T* added = tap + h * of.row() + w * of.batch;
              for (int64_t b = 0; b < run * of.batch; ++b) pixel[b] += added[b];
            }
          }
        }
      }
    }
  }
}

// Calls a function of pointers to numbers of whichever type two arrays hold.
template <typename Compute>
ffi::Error of_either_type(ffi::AnyBuffer from, ffi::Result<ffi::AnyBuffer> to, Compute compute) {
  if (from.element_type() == ffi::F32) {
    compute(from.typed_data<float>(), to->typed_data<float>());
  } else if (from.element_type() == ffi::F64) {
    compute(from.typed_data<double>(), to->typed_data<double>());
  } else {
    return ffi::Error::InvalidArgument("numbers are float32 or float64");
  }
  return ffi::Error::Success();
}

ffi::Error patches(ffi::AnyBuffer images, Sizes window, Sizes strides, Sizes pads, Sizes size,
                   ffi::Result<ffi::AnyBuffer> patches) {
  const Geometry of = geometry(images.dimensions(), window, strides, pads, size);
  return of_either_type(images, patches, [&](const auto* from, auto* to) { copy_patches(of, from, to); });
}

ffi::Error overlap_add(ffi::AnyBuffer patches, Sizes window, Sizes strides, Sizes pads, Sizes size,
                       ffi::Result<ffi::AnyBuffer> images) {
  const Geometry of = geometry(images->dimensions(), window, strides, pads, size);
  return of_either_type(patches, images, [&](const auto* from, auto* to) { add_overlaps(of, from, to); });
}

auto binding() {
  return ffi::Ffi::Bind()
      .Arg<ffi::AnyBuffer>()
      .Attr<Sizes>("window")
      .Attr<Sizes>("strides")
      .Attr<Sizes>("pads")
      .Attr<Sizes>("size")
      .Ret<ffi::AnyBuffer>();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(symmetry_jax_patches, patches, binding());
XLA_FFI_DEFINE_HANDLER_SYMBOL(symmetry_jax_overlap_add, overlap_add, binding());
