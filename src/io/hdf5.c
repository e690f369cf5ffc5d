/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5.c - the lock around HDF5, and its types of numbers. */
#include "io/hdf5.h"

#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void hdf5_enter(hdf5_guard *g)
{
    pthread_mutex_lock(&lock);
    memset(g, 0, sizeof *g);
    g->is_v2 = 1;
    H5Eauto_is_v2(H5E_DEFAULT, &g->is_v2);
    if (g->is_v2) {
        H5Eget_auto2(H5E_DEFAULT, &g->print2, &g->data);
        H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    } else {
        H5Eget_auto1(&g->print1, &g->data);
        H5Eset_auto1(NULL, NULL);
    }
}

void hdf5_leave(hdf5_guard *g)
{
    if (g->is_v2)
        H5Eset_auto2(H5E_DEFAULT, g->print2, g->data);
    else
        H5Eset_auto1(g->print1, g->data);
    pthread_mutex_unlock(&lock);
}

int hdf5_has_link(hid_t group, const char *name)
{
    return H5Lexists(group, name, H5P_DEFAULT);
}

/* A float32 type reduced to 16 bits of sign, exponent and mantissa, which any reader of HDF5 converts to
 * numbers. */
static hid_t half_type(hid_t single, size_t exponent_bits)
{
    hid_t type = H5Tcopy(single);
    size_t mantissa_bits = 15 - exponent_bits;
    if (type >= 0 && H5Tset_fields(type, 15, mantissa_bits, exponent_bits, 0, mantissa_bits) >= 0 &&
        H5Tset_size(type, 2) >= 0 && H5Tset_ebias(type, ((size_t)1 << (exponent_bits - 1)) - 1) >= 0)
        return type;
    H5Tclose(type);
    return -1;
}

hid_t hdf5_stored_type(stored_type type)
{
    switch (type) {
    case STORED_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case STORED_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case STORED_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case STORED_U8:
        return H5Tcopy(H5T_STD_U8LE);
    case STORED_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case STORED_BF16:
        return half_type(H5T_IEEE_F32LE, 8);
    case STORED_F16:
        return half_type(H5T_IEEE_F32LE, 5);
    default:
        return H5Tcopy(H5T_STD_U64LE);
    }
}

hid_t hdf5_native_type(stored_type type)
{
    switch (type) {
    case STORED_F32:
        return H5Tcopy(H5T_NATIVE_FLOAT);
    case STORED_F64:
        return H5Tcopy(H5T_NATIVE_DOUBLE);
    case STORED_I64:
        return H5Tcopy(H5T_NATIVE_INT64);
    case STORED_U8:
        return H5Tcopy(H5T_NATIVE_UINT8);
    case STORED_I32:
        return H5Tcopy(H5T_NATIVE_INT32);
    case STORED_BF16:
        return half_type(H5T_NATIVE_FLOAT, 8);
    case STORED_F16:
        return half_type(H5T_NATIVE_FLOAT, 5);
    default:
        return H5Tcopy(H5T_NATIVE_UINT64);
    }
}
