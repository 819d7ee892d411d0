/** @file h5io_count.h
 *  For tests: nothing stays open. */
#ifndef NNMPI_H5IO_COUNT_H
#define NNMPI_H5IO_COUNT_H

/** HDF5 objects (files, groups, datasets, types, attributes) that this process has open. */
long nn__h5_open_count(void);

#endif
