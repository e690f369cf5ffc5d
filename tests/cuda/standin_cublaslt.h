/* SPDX-License-Identifier: Apache-2.0 */
/* standin_cublaslt.h - a library with those functions of cuBLASLt that the cuda backend calls. It makes
 * products on the host, in double precision, where the test that opens it has its streams run them. */
#ifndef SLMT_TESTS_STANDIN_CUBLASLT_H
#define SLMT_TESTS_STANDIN_CUBLASLT_H

struct standin {
    void (*enqueue)(void *stream, void (*work)(void *),
                    void *what); /* calls work(what) when the stream runs */
    int products;                /* made so far */
    int objects;                 /* that are not destroyed */
    int compute;                 /* of the last product: its compute type */
    bool knows_one;              /* whether it has an algorithm */
};

/* Its variable, by the name "standin_state". */

#endif
