/** @file clones.h
 *  One body of C, compiled for several instruction sets, chosen at run time.
 *
 *  All versions give the same bits: they do the same IEEE operations per element (contraction is off, fmaf() is spelled
 *  out), so the instruction set decides about speed only. Without a hardware FMA, fmaf() of the C library is exact. */
#ifndef NNMPI_KERNELS_CLONES_H
#define NNMPI_KERNELS_CLONES_H

#include <stddef.h>

/** What a body must be, so that it takes on the instruction set of the function it is inlined into. */
#define NN__BODY static inline __attribute__((always_inline))

/** In front of a loop over elements that do not depend on each other; x == y is allowed, partial overlap is not. */
#define NN__ELEMENTS _Pragma("omp simd")

#if defined(__x86_64__) && defined(__GNUC__)

typedef enum nn__isa { NN__PLAIN, NN__AVX2, NN__AVX512, NN__ISA_COUNT } nn__isa;

#define NN__TARGET_AVX2 __attribute__((target("avx2,fma")))
#ifdef __clang__
#define NN__TARGET_AVX512 __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")))
#else
#define NN__TARGET_AVX512 __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,prefer-vector-width=512")))
#endif

/** What a build may use at most: tests build the kernels with less, and compare the bits of whole trainings. */
#ifndef NN__ISA_MOST
#define NN__ISA_MOST NN__AVX512
#endif

/** The widest of our versions that this processor and operating system can run. */
static inline nn__isa nn__isa_best(void) {
  if (NN__ISA_MOST == NN__PLAIN) return NN__PLAIN;
  if (NN__ISA_MOST == NN__AVX512 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma"))
    return NN__AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return NN__AVX2;
  return NN__PLAIN;
}

/** Declares name__plain(), name__avx2(), name__avx512(): for tests, which compare them. */
#define NN__DECLARE_CLONES(result, name, parameters)                                                                   \
  result name##__plain parameters;                                                                                     \
  result name##__avx2 parameters;                                                                                      \
  result name##__avx512 parameters;

/** Defines them and name(), which calls the best, from name##_body. */
#define NN__CLONES(result, name, parameters, arguments)                                                                \
  NN__DECLARE_CLONES(result, name, parameters)                                                                         \
  result name##__plain parameters {                                                                                    \
    return name##_body arguments;                                                                                      \
  }                                                                                                                    \
  NN__TARGET_AVX2 result name##__avx2 parameters {                                                                     \
    return name##_body arguments;                                                                                      \
  }                                                                                                                    \
  NN__TARGET_AVX512 result name##__avx512 parameters {                                                                 \
    return name##_body arguments;                                                                                      \
  }                                                                                                                    \
  result name parameters {                                                                                             \
    switch (nn__isa_best()) {                                                                                          \
    case NN__AVX512:                                                                                                   \
      return name##__avx512 arguments;                                                                                 \
    case NN__AVX2:                                                                                                     \
      return name##__avx2 arguments;                                                                                   \
    default:                                                                                                           \
      return name##__plain arguments;                                                                                  \
    }                                                                                                                  \
  }

#else

typedef enum nn__isa { NN__PLAIN, NN__ISA_COUNT } nn__isa;

static inline nn__isa nn__isa_best(void) {
  return NN__PLAIN;
}

#define NN__DECLARE_CLONES(result, name, parameters) result name##__plain parameters;

#define NN__CLONES(result, name, parameters, arguments)                                                                \
  NN__DECLARE_CLONES(result, name, parameters)                                                                         \
  result name##__plain parameters {                                                                                    \
    return name##_body arguments;                                                                                      \
  }                                                                                                                    \
  result name parameters {                                                                                             \
    return name##__plain arguments;                                                                                    \
  }

#endif

#endif
