/* SPDX-License-Identifier: Apache-2.0 */
/* attention_head.h - softmax attention of one head over one set of tokens, in double.
 *
 * Plain and window attention gather their tokens into these arrays and share this arithmetic.
 * Every [width][tokens] array is transposed: the tokens are contiguous. */
#ifndef SLMT_REFERENCE_ATTENTION_HEAD_H
#define SLMT_REFERENCE_ATTENTION_HEAD_H

#include <stddef.h>
#include <stdint.h>

typedef struct attention_head {
    int64_t tokens, width;
    double scale;
    double *q, *k, *v;      /* [width][tokens] */
    double *out, *lse;      /* [width][tokens], [tokens] */
    double *dout;           /* [width][tokens], gradient only */
    double *dq, *dk, *dv;   /* [width][tokens], gradient only */
    double *bias, *dbias;   /* [tokens][tokens], added to the scores, and its gradient; NULL: none */
    double *score, *dscore; /* [tokens] */
} attention_head;

size_t attention_head_bytes(int64_t tokens, int64_t width, int with_bias);
void attention_head_place(attention_head *head, int64_t tokens, int64_t width, int with_bias, void *memory);
void attention_head_forward(const attention_head *head);
void attention_head_backward(const attention_head *head);

#endif
