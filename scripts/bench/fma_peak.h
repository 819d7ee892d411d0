/** @file fma_peak.h
 *  What one core can do at most, for shares of the peak. */
#ifndef NNMPI_BENCH_FMA_PEAK_H
#define NNMPI_BENCH_FMA_PEAK_H

/** GF/s in float of independent FMA chains on the calling thread over about `seconds`, with the widest vectors of this
 *  processor. Counts the thread's processor time, so that other programs hardly matter. One sample: take the best of
 *  several. */
double nn_bench_fma_peak(double seconds);
/** "avx512", "avx2", "generic" */
const char *nn_bench_fma_isa(void);

#endif
