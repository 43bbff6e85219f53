/* The direct sum as an extension of Python's limited API: one function, its checks, and the choice of instructions. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What is summed; all lengths count numbers, not bytes. Output o reads the steps at + o*strides + k*dilation that exist.
 * A lane is one output channel, c*M + m, of all channels*multiplier. x... and y... say how far apart the elements of an
 * axis lie in the data and in the outputs. */
typedef struct {
    ptrdiff_t batch, steps, outputs, channels, multiplier, taps;
    ptrdiff_t at, strides, dilation;
    ptrdiff_t xbatch, xstep, xchannel, ybatch, ystep, ylane;
    ptrdiff_t wrow;    /* weights of one tap */
    ptrdiff_t scratch; /* length of scratch */
    int last;          /* channels_last */
} problem;

/* Vectors of sums that stay in registers together, and vectors that make a line of the cache. */
#define SUM_VECTORS 12
#define LINE_VECTORS (LINE_BYTES / BYTES)
/* Where the taps of an output span so many bytes, their steps evict each other from the first cache: by measurements, it
 * is faster to pack them into scratch first. */
#define FAR_BYTES (BYTES == 64 ? 12 << 10 : 32 << 10)
/* A line of the cache, and what the packed steps of a tile may take of the first cache. */
#define LINE_BYTES 64
#define NEAR_BYTES (1 << 14)

static inline ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* An output reads so many steps of one phase of the strides after the step of its own number. */
static inline ptrdiff_t reach(const problem *p) { return (p->taps - 1) * p->dilation / p->strides; }

/* Find the taps [begin, end) of output `o` that fall on steps; the others fall on padding. Return the end of the outputs,
 * at most `count`, that have the same range of taps. */
static ptrdiff_t taps_of(const problem *p, ptrdiff_t o, ptrdiff_t count, ptrdiff_t *begin, ptrdiff_t *end)
{
    const ptrdiff_t step = p->at + o * p->strides, left = p->steps - step, spare = left - (p->taps - 1) * p->dilation;
    *begin = step < 0 ? smaller(p->taps, (p->dilation - 1 - step) / p->dilation) : 0;
    *end = left <= 0 ? 0 : smaller(p->taps, (left - 1) / p->dilation + 1);
    return step < 0 || spare < 1 ? o + 1 : smaller(count, o + (spare - 1) / p->strides + 1);
}

/* The same problem from output `low` on, for at most `most` outputs. */
static problem part_of(const problem *p, ptrdiff_t low, ptrdiff_t most)
{
    problem part = *p;
    part.at += low * p->strides;
    part.outputs = smaller(most, p->outputs - low);
    return part;
}

/* Outputs of a tile, whose steps of `lanes` numbers are packed together: as many as stay in the first cache, but at least a
 * few times the reach, since a tile packs the steps of its reach again; and no more than scratch holds. */
static ptrdiff_t tile_of(const problem *p, ptrdiff_t lanes, ptrdiff_t size)
{
    const ptrdiff_t most = p->scratch / lanes / p->strides - reach(p);
    const ptrdiff_t near = NEAR_BYTES / size / lanes / p->strides - reach(p);
    return smaller(most, near > 4 * reach(p) ? near : 4 * reach(p) + 16);
}

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#define __attribute__(list) /* Scalars take the place of vectors. */
#endif
#define PASTE(name, type, isa) name##_##type##_##isa
#define NAME(name, type, isa) PASTE(name, type, isa)
#define V ((ptrdiff_t)(sizeof(F(vector)) / sizeof(T)))
#define LOAD(p) (*(const F(vector) *)(p))
#define STORE(p) (*(F(vector) *)(p))
#if defined(__GNUC__) && defined(__x86_64__)
#define X86 1
#define ISA avx512
#define BYTES 64
#define TARGET __attribute__((target("avx512vl,prefer-vector-width=512")))
#include "_direct.h"
#define ISA avx2
#define BYTES 32
#define TARGET __attribute__((target("avx2")))
#include "_direct.h"
#endif
#define ISA baseline
#define BYTES 16
#define TARGET
#include "_direct.h"

typedef void (*kernel)(const problem *, const void *, const void *, void *, void *, ptrdiff_t *);

/* The fastest first. */
static const struct {
    const char *name;
    kernel f32, f64;
} ALL[] = {
#ifdef X86
    {"avx512", direct_f32_avx512, direct_f64_avx512},
    {"avx2", direct_f32_avx2, direct_f64_avx2},
#endif
    {"baseline", direct_f32_baseline, direct_f64_baseline},
};
enum { COUNT = sizeof(ALL) / sizeof(ALL[0]) };

/* What runs. The baseline runs everywhere, until choose() is called. */
static int chosen = COUNT - 1;

static int supported(int i)
{
#ifdef X86
    if (i < COUNT - 1) return i ? __builtin_cpu_supports("avx2") : __builtin_cpu_supports("avx512vl");
#endif
    return i == COUNT - 1;
}

static PyObject *choose(PyObject *self, PyObject *args)
{
    const char *name;
    (void)self;
    if (!PyArg_ParseTuple(args, "s", &name)) return NULL;
    for (int i = 0; i < COUNT; i++)
        if ((!*name || !strcmp(name, ALL[i].name)) && supported(i)) return PyUnicode_FromString(ALL[chosen = i].name);
    return PyErr_Format(PyExc_ValueError, "this processor has no instructions called %s", name);
}

/* How many numbers apart the elements of an axis lie; -1 if that is negative or no whole number. */
static ptrdiff_t apart(const Py_buffer *view, int axis)
{
    const ptrdiff_t bytes = view->strides[axis];
    if (view->shape[axis] <= 1) return 0; /* One element has no neighbour. */
    return bytes < 0 || bytes % view->itemsize ? -1 : bytes / view->itemsize;
}

/* Get an aligned buffer of `axes` axes, of float or double. The first buffer sets `type`, which the others must have. */
static int get(PyObject *object, Py_buffer *view, int axes, int flags, char *type)
{
    if (PyObject_GetBuffer(object, view, PyBUF_STRIDES | PyBUF_FORMAT | flags) == 0) {
        const char *format = view->format;
        if (!*type) *type = *format;
        if (view->ndim == axes && (*type == 'f' || *type == 'd') && *format == *type && !format[1] &&
            (size_t)view->buf % (size_t)view->itemsize == 0)
            return 0;
        PyBuffer_Release(view);
    }
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError, "no buffer of %d axes of one type, float or double, aligned%s", axes,
                 flags ? ", to write to" : "");
    return -1;
}

/* Fill in the problem. Return NULL, or what is wrong: nothing outside of the buffers may be read or written. */
static const char *fill(problem *p, const Py_buffer *x, const Py_buffer *w, const Py_buffer *y, const Py_buffer *scratch)
{
    const ptrdiff_t limit = PTRDIFF_MAX >> 16;
    p->batch = x->shape[0], p->steps = x->shape[1], p->channels = x->shape[2];
    p->outputs = y->shape[1], p->multiplier = y->shape[3];
    p->taps = w->shape[0], p->wrow = w->shape[1], p->scratch = scratch->shape[0];
    if (y->shape[0] != p->batch || y->shape[2] != p->channels) return "x (B, N, C) and y (B, n, C, M) do not fit";
    if (p->taps < 1 || p->strides < 1 || p->dilation < 1) return "taps, strides and dilation must be at least 1";
    if (p->taps > limit / p->dilation || p->outputs > limit / p->strides || p->at > limit || p->at < -limit)
        return "an index is too large";
    const ptrdiff_t lanes = p->channels * p->multiplier;
    if (!p->batch || !p->outputs || !lanes) return NULL;
    if (p->wrow < lanes || p->wrow % lanes) return "w (K, P) needs a multiple of C*M weights for each tap";
    if ((p->wrow > 1 && apart(w, 1) != 1) || (p->taps > 1 && apart(w, 0) != p->wrow)) return "w is not contiguous";
    if (p->scratch > 1 && apart(scratch, 0) != 1) return "scratch is not contiguous";
    const ptrdiff_t xstep = apart(x, 1), ystep = apart(y, 1), ychannel = apart(y, 2), copy = apart(y, 3);
    p->xbatch = apart(x, 0), p->xchannel = apart(x, 2), p->ybatch = apart(y, 0);
    p->ylane = p->multiplier > 1 ? copy : ychannel;
    if (p->xbatch < 0 || p->xchannel < 0 || p->ybatch < 0) return "a stride is not usable";
    if (p->channels > 1 && p->multiplier > 1 && ychannel != p->multiplier * copy) return "y's lanes are not evenly apart";
    if (p->last) {
        if ((p->channels > 1 && p->xchannel != 1) || (lanes > 1 && p->ylane != 1)) return "channels do not lie side by side";
        if (p->steps > 1 && xstep < p->channels) return "the steps of x overlap";
        if (p->outputs > 1 && ystep != lanes) return "the steps of y do not lie side by side";
        p->xstep = p->steps > 1 ? xstep : p->channels, p->ystep = lanes, p->xchannel = p->ylane = 1;
    } else {
        if ((p->steps > 1 && xstep != 1) || (p->outputs > 1 && ystep != 1)) return "steps do not lie side by side";
        if (lanes > 1 && p->ylane < p->outputs) return "the rows of y overlap";
        p->xstep = p->ystep = 1;
    }
    return NULL;
}

static PyObject *direct(PyObject *self, PyObject *args)
{
    static const int axes[] = {3, 2, 4, 1}, flags[] = {0, 0, PyBUF_WRITABLE, PyBUF_WRITABLE};
    PyObject *objects[4];
    Py_buffer views[4];
    problem p = {0};
    char type = 0;
    int count = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOOnnnp", objects, objects + 1, objects + 2, objects + 3, &p.at, &p.strides, &p.dilation, &p.last))
        return NULL;
    while (count < 4 && get(objects[count], views + count, axes[count], flags[count], &type) == 0) count++;
    const char *wrong = count == 4 ? fill(&p, views, views + 1, views + 2, views + 3) : NULL;
    if (wrong) PyErr_SetString(PyExc_ValueError, wrong);
    else if (count == 4 && p.batch && p.outputs && p.channels && p.multiplier) {
        /* Offsets of the taps, and the weights of one channel. */
        ptrdiff_t *offsets = malloc((size_t)p.taps * (sizeof(ptrdiff_t) + sizeof(double)));
        const ptrdiff_t size = views[0].itemsize;
        const kernel run = type == 'f' ? ALL[chosen].f32 : ALL[chosen].f64;
        if (!offsets) PyErr_NoMemory();
        else {
            Py_BEGIN_ALLOW_THREADS
            for (ptrdiff_t b = 0; b < p.batch; b++)
                run(&p, (char *)views[0].buf + b * p.xbatch * size, views[1].buf, (char *)views[2].buf + b * p.ybatch * size,
                    views[3].buf, offsets);
            Py_END_ALLOW_THREADS
        }
        free(offsets);
    }
    while (count > 0) PyBuffer_Release(views + --count);
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    {"choose", choose, METH_VARARGS, "Use the instructions of a name, or with \"\" the best; give their name."},
    {"direct", direct, METH_VARARGS,
     "direct(x, w, y, scratch, at, strides, dilation_rate, last)\n\n"
     "y[b, o, c, m] = sum_k x[b, at + o*strides + k*dilation_rate, c] * w[k, c*M + m] over the steps that exist.\n\n"
     "x has shape (B, N, C), y (B, n, C, M), w (K, C*M) or, with `last`, a multiple of it repeated along the last axis;\n"
     "scratch has one axis of any length. All are float or all are double. With `last` channels lie side by side,\n"
     "otherwise steps do. ValueError if anything does not fit."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_direct", "The direct sum.", 0, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__direct(void) { return PyModuleDef_Init(&MODULE); }
