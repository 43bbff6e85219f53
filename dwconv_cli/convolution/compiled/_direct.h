/* The direct sum for one instruction set; _direct.c includes this file once for each, with
 *
 *   ISA     the name of the instruction set
 *   BYTES   of its vector registers
 *   TARGET  the attribute that allows it
 *
 * An output is x0*w0, then + x1*w1, and so on in ascending order of the taps; every product and every sum is rounded,
 * and taps on padding are left out. All code here keeps that order, so all instruction sets have the same bits. */

#ifndef T
#define T float
#define F(name) NAME(name, f32, ISA)
#include "_direct.h"
#undef T
#undef F
#define T double
#define F(name) NAME(name, f64, ISA)
#include "_direct.h"
#undef T
#undef F
#undef ISA
#undef BYTES
#undef TARGET
#else

typedef T F(vector) __attribute__((vector_size(BYTES), aligned(sizeof(T)), may_alias));

/* Sum `columns` vectors of each of `rows` rows, in registers: y[r*yrow + j] = sum_k x[r*xrow + offsets[k] + j] * w[k*wrow + j].
 * If `splat`, one weight serves all j. `rows`, `columns` and `splat` are constants at every call, so that the compiler
 * unrolls the inner loops. */
TARGET INLINE void F(in_registers)(const T *x, ptrdiff_t xrow, const ptrdiff_t *offsets, const T *w, ptrdiff_t wrow,
                            ptrdiff_t taps, T *y, ptrdiff_t yrow, const int rows, const int columns, const int splat)
{
    F(vector) sums[SUM_VECTORS];
    const F(vector) zero = {0};
    for (int i = 0; i < rows * columns; i++) sums[i] = -zero; /* -0 + p is p, for p = -0 too. */
    for (ptrdiff_t k = 0; k < taps; k++, w += wrow) {
        const T *a = x + offsets[k], weight = splat ? w[0] : 0;
        for (int c = 0; c < columns; c++, a += V) {
            const F(vector) weights = splat ? LOAD(a) : LOAD(w + c * V);
            for (int r = 0; r < rows; r++) {
                const F(vector) product = splat ? LOAD(a + r * xrow) * weight : LOAD(a + r * xrow) * weights;
                sums[c * rows + r] = sums[c * rows + r] + product;
            }
        }
    }
    for (int c = 0; c < columns; c++)
        for (int r = 0; r < rows; r++) STORE(y + r * yrow + c * V) = sums[c * rows + r];
}

/* Sum `rows` rows of `lanes` numbers each: a line of the cache at a time where the rows are as wide, else a vector. */
TARGET INLINE void F(in_rows)(const T *x, ptrdiff_t xrow, const ptrdiff_t *offsets, const T *w, ptrdiff_t wrow,
                           ptrdiff_t taps, T *y, ptrdiff_t yrow, ptrdiff_t rows, ptrdiff_t lanes, const int splat)
{
    const ptrdiff_t line = LINE_VECTORS * V, wide = splat || lanes < line ? V : line;
    const ptrdiff_t most = wide == V ? SUM_VECTORS : SUM_VECTORS / LINE_VECTORS;
    for (ptrdiff_t r = 0, together; r < rows; r += together) {
        together = lanes >= V && rows - r >= most ? most : 1;
        for (ptrdiff_t j = 0, at; j < lanes; j += lanes < V ? 1 : wide) {
            /* The last column begins where it just fits. It computes again what it shares with the column before. */
            at = lanes < V ? j : smaller(j, lanes - wide);
            const T *a = x + r * xrow + at, *b = splat ? w : w + at;
            T *to = y + r * yrow + at;
            if (lanes < V) {
                *to = a[offsets[0]] * b[0];
                for (ptrdiff_t k = 1; k < taps; k++) *to = *to + a[offsets[k]] * b[k * wrow];
            } else if (wide == V && together > 1)
                F(in_registers)(a, xrow, offsets, b, wrow, taps, to, yrow, SUM_VECTORS, 1, splat);
            else if (wide == V)
                F(in_registers)(a, xrow, offsets, b, wrow, taps, to, yrow, 1, 1, splat);
            else if (together > 1)
                F(in_registers)(a, xrow, offsets, b, wrow, taps, to, yrow, SUM_VECTORS / LINE_VECTORS, LINE_VECTORS, splat);
            else
                F(in_registers)(a, xrow, offsets, b, wrow, taps, to, yrow, 1, LINE_VECTORS, splat);
        }
    }
}

/* Sum the outputs [0, count), a stretch of outputs with the same range of taps at a time. `x` and `y` are those of output
 * 0; the steps of neighbouring outputs lie `xstep` apart, their results `ystep`. The weights of `together` neighbouring
 * outputs, `lanes` numbers each, stand side by side. If `splat`, a step is one number and all steps share one weight. */
TARGET INLINE void F(stretches)(const problem *p, ptrdiff_t count, const T *x, ptrdiff_t xstep,
                                const ptrdiff_t *offsets, const T *w, ptrdiff_t wrow, T *y, ptrdiff_t ystep,
                                ptrdiff_t lanes, ptrdiff_t together, const int splat)
{
    for (ptrdiff_t o = 0, end; o < count; o = end) {
        ptrdiff_t begin, last;
        end = taps_of(p, o, count, &begin, &last);
        const ptrdiff_t steps = end - o, number = last - begin, rest = steps % together, *offset = offsets + begin;
        const T *a = x + o * xstep, *b = w + begin * wrow;
        T *to = y + o * ystep;
        if (number < 1) {
            for (ptrdiff_t s = 0; s < steps; s++)
                for (ptrdiff_t j = 0; j < lanes; j++) to[s * ystep + j] = 0;
            continue;
        }
        F(in_rows)(a, together * xstep, offset, b, wrow, number, to, together * ystep, steps / together, together * lanes,
                   splat);
        /* The outputs left over. With one weight for all, some before them are computed again, so that they fill a vector. */
        const ptrdiff_t left = splat && steps >= V && rest ? V : rest;
        if (left)
            F(in_rows)(a + (steps - left) * xstep, 0, offset, b, wrow, number, to + (steps - left) * ystep, 0, 1,
                       left * lanes, splat);
    }
}

/* Copy `n` steps of `width` channels, which lie `apart`, side by side, each channel `copies` times. */
TARGET INLINE void F(copy)(const T *from, ptrdiff_t apart, T *to, ptrdiff_t n, ptrdiff_t width, const ptrdiff_t copies)
{
    for (ptrdiff_t i = 0; i < n; i++, from += apart)
        for (ptrdiff_t c = 0; c < width; c++)
            for (ptrdiff_t m = 0; m < copies; m++) *to++ = from[c];
}

/* Pack the steps that the outputs of `p` read into `to`: `width` channels from `x` on, each `copies` times. The steps of
 * each phase of the strides stand together, those of the next phase `plane` numbers later. Padding is not written, since
 * nothing reads it. offsets[k] becomes the distance from the first tap of an output to its tap k. */
TARGET static void F(pack)(const problem *p, const T *x, ptrdiff_t width, ptrdiff_t copies, T *to, ptrdiff_t *offsets)
{
    const ptrdiff_t most = p->outputs + reach(p), lanes = width * copies, plane = most * lanes, apart = p->strides * p->xstep;
    for (ptrdiff_t k = 0; k < p->taps; k++) {
        const ptrdiff_t step = k * p->dilation, phase = step % p->strides;
        offsets[k] = phase * plane + step / p->strides * lanes;
        if (k >= p->strides || (k && phase == 0)) continue; /* The steps of this phase are packed already. */
        const ptrdiff_t first = p->at + phase, left = p->steps - first;
        const ptrdiff_t begin = first < 0 ? (p->strides - 1 - first) / p->strides : 0;
        const ptrdiff_t steps = (left <= 0 ? 0 : smaller(most, (left - 1) / p->strides + 1)) - begin;
        const T *from = x + (first + begin * p->strides) * p->xstep;
        T *line = to + phase * plane + begin * lanes;
        if (copies == 1 && width % V == 0)
            for (ptrdiff_t i = 0; i < steps; i++, from += apart)
                for (ptrdiff_t c = 0; c < width; c += V, line += V) STORE(line) = LOAD(from + c);
        else if (lanes == 1) F(copy)(from, apart, line, steps, 1, 1);
        else if (copies == 1) F(copy)(from, apart, line, steps, width, 1);
        else if (copies == 2) F(copy)(from, apart, line, steps, width, 2);
        else if (copies == 4) F(copy)(from, apart, line, steps, width, 4);
        else F(copy)(from, apart, line, steps, width, copies);
    }
}

/* Sum one recording; `offsets` has room for the taps' offsets and, behind them, for the weights of one lane. */
TARGET static void F(direct)(const problem *p, const void *xs, const void *ws, void *ys, void *room, ptrdiff_t *offsets)
{
    const ptrdiff_t size = sizeof(T), copies = p->last ? p->multiplier : 1, lanes = p->channels * p->multiplier;
    const int far = p->last && p->taps * p->xstep * size >= FAR_BYTES && lanes * size > LINE_BYTES;
    const int apart = p->strides > 1 || (p->last && p->xstep != p->channels);
    const int packed = copies > 1 || far || (apart && !(p->last && lanes >= V));
    /* What is packed in channels_last: strips of channels that make one line of the cache, or some whole lines. */
    ptrdiff_t width = p->last && !packed ? p->channels : 1;
    while (p->last && width < p->channels && width * copies * size % LINE_BYTES) width++;
    const ptrdiff_t tile = packed ? tile_of(p, width * copies, size) : p->outputs;
    const T *const w = ws;
    T *const y = ys, *const scratch = room, *const weights = (T *)(offsets + p->taps);
    for (ptrdiff_t k = 0; k < p->taps; k++) offsets[k] = k * p->dilation * p->xstep;
    if (tile < 1) /* The steps of one output do not fit scratch: sum one lane after the other, unpacked. */
        for (ptrdiff_t j = 0; j < lanes; j++)
            F(stretches)(p, p->outputs, (const T *)xs + p->at * p->xstep + j / p->multiplier * p->xchannel,
                         p->strides * p->xstep, offsets, w + j, p->wrow, y + j * p->ylane, p->ystep, 1, 1, 0);
    for (ptrdiff_t low = 0; tile > 0 && low < p->outputs; low += tile) {
        const problem part = part_of(p, low, tile);
        for (ptrdiff_t c = 0, some; c < p->channels; c += some) {
            some = smaller(width, p->channels - c);
            const T *x = (const T *)xs + c * p->xchannel, *from = packed ? scratch : x + part.at * p->xstep;
            const ptrdiff_t step = packed ? some * copies : p->strides * p->xstep;
            const ptrdiff_t together = some == p->channels && (packed || !apart) ? p->wrow / lanes : 1;
            if (packed) F(pack)(&part, x, some, copies, scratch, offsets);
            if (p->last)
                F(stretches)(&part, part.outputs, from, step, offsets, w + c * copies, p->wrow, y + low * lanes + c * copies,
                             lanes, some * copies, together, 0);
            for (ptrdiff_t lane = c * p->multiplier; !p->last && lane < (c + 1) * p->multiplier; lane++) {
                for (ptrdiff_t k = 0; k < p->taps; k++) weights[k] = w[k * p->wrow + lane];
                F(stretches)(&part, part.outputs, from, 1, offsets, weights, 1, y + lane * p->ylane + low, 1, 1, V, 1);
            }
        }
    }
}

#endif
