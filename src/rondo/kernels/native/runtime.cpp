// The fixed part of the CPU kernel: packers, register-blocked products, the time loop and its threads.
// It knows no cell. A call is a Program: views (where operands lie), stages (products, then generated pointwise code).
// Structures are plain 64-bit words so that Python fills them through ctypes. See docs/design.md, "CPU program".
#include "vec.h"
#include <atomic>
#include <sched.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#if VBYTES == 64
constexpr int NVMAX = 4, MRMAX = 6;  // 24 of 32 registers accumulate
#else
constexpr int NVMAX = 2, MRMAX = 6;  // 12 of 16
#endif
constexpr int64_t KC = 1024;  // products are cut along k so that a panel stays in L2
constexpr int64_t RC = 48;    // rows whose tile stays in L1 between product and pointwise code

typedef int64_t i64;
typedef void (*Region)(const View*, i64 r0, i64 r1, i64 u0, i64 u1, i64 n, i64 saving);

enum Kind : i64 { PLAIN = 0, PREVIOUS = 1, TILE = 2, PER_THREAD = 3 };
struct Desc {  // a view before the step is known; pointers are numbers of slots in Program::pointers, -1 for none
  i64 slot, offset;    // base address: a slot plus bytes
  i64 ts, rs, us;      // bytes per step, row, unit block
  i64 period, toff;    // step index is (t + toff), modulo period if that is not 0
  i64 kind;
  i64 first, first_rs;      // PREVIOUS: the state entering at the first step
  i64 initial, initial_rs;  // PREVIOUS: the state that a reset puts in
  i64 width;                // PREVIOUS: bytes of a row (for patched copies); PER_THREAD: bytes to clear
};
struct Segment {  // a term of a product: operand (rows of k numbers) times packed weights
  i64 view, k;
  i64 w;  // where its packed weights begin, in numbers from the start of the packed buffer
};
struct Group {  // `slots` vectors per unit block, all with the same operands
  i64 slots, nseg;
  Segment* seg;
  i64 view;  // view of the first slot's result
};
struct Stage {
  i64 n, blocks, tile_blocks;  // units, unit blocks, unit blocks per tile
  i64 ngroup;
  Group* group;
  Region reduce;   // row statistics of values of earlier stages, or null
  Region region;   // pointwise code, or null
  i64 barrier;     // operands come from other threads' units
};
struct Carry {  // backward: the ring that carries the adjoint of a state, and its ends
  i64 view_in, view_out;  // ring read at t (written at t + 1), ring written at t
  i64 final, final_rs;    // slot: adjoint of the final state
  i64 reset_sum, reset_rs;  // slot: adjoint of the state that resets put in, or -1
  i64 width;
};
struct Column {  // one matrix behind the slots of a packed product or a weight gradient
  i64 param, column, units;  // number of the parameter, first column, rows
};
struct WeightGrad {  // out += sum over rows of left^T right, for the columns of an emission buffer's group
  i64 left, right;   // views: emitted adjoints (m columns), operand rows (n columns)
  i64 m, n, slots;
  Column* column;    // per slot; `param` is the offset of the gradient in the gradients' buffer, in numbers
  i64* lds;          // per slot, numbers per row of the gradient
  i64 add;
};
struct Sum {  // the gradient of a vector parameter: its threads' sums added up
  i64 view, out, n;
};
struct Program {
  i64 T, B, nviews, threads, split_units, grain, backward, saving, chunk;
  Desc* views;
  i64 npre; Stage* pre;
  i64 nloop; Stage* loop;
  i64 npost; Stage* post;
  const int32_t* active;     // [blocks of rows][T] rows alive at t, or null
  const uint8_t* resets;     // [T][B], or null
  const uint8_t* any_reset;  // [T], or null
  i64 ncarry; Carry* carry;
  const i64* row_split;      // [threads + 1] rows of each thread (batch split)
  char* scratch; i64 scratch_size, tile_vectors;  // per thread
  i64 nweight; WeightGrad* weight;
  i64 nsum; Sum* sum;
  i64 nprevious;             // views of kind PREVIOUS come first
  char** pointers;           // slots; 0 holds the packed weights
  i64 grads;                 // slot of the gradients' buffer
};

// ---- micro-kernels --------------------------------------------------------------------------------

template <int MR, int NV> static void mk(const REAL* const* a, i64 k0, i64 k, const REAL* w, REAL* const* c, bool add) {
  constexpr int KU = MR * NV >= 10 ? 1 : MR * NV >= 5 ? 2 : 4;  // enough independent chains to hide the latency
  V acc[KU][MR][NV];
  const REAL* p[MR];
  for (int m = 0; m < MR; ++m) p[m] = a[m] + k0;
  for (int q = 0; q < KU; ++q)
    for (int m = 0; m < MR; ++m)
      for (int n = 0; n < NV; ++n) acc[q][m][n] = V{};
  if (add)
    for (int m = 0; m < MR; ++m)
      for (int n = 0; n < NV; ++n) acc[0][m][n] = *(const VU*)(c[m] + n * VL);
  i64 i = 0;
  for (; i + KU <= k; i += KU)
#pragma GCC unroll 4
    for (int q = 0; q < KU; ++q) {
      V b[NV];
#pragma GCC unroll 4
      for (int n = 0; n < NV; ++n) b[n] = *(const V*)(w + (i + q) * (NV * VL) + n * VL);
#pragma GCC unroll 8
      for (int m = 0; m < MR; ++m) {
        V s = splat(p[m][i + q]);
#pragma GCC unroll 4
        for (int n = 0; n < NV; ++n) acc[q][m][n] += s * b[n];
      }
    }
  for (; i < k; ++i)
    for (int n = 0; n < NV; ++n) {
      V b = *(const V*)(w + i * (NV * VL) + n * VL);
      for (int m = 0; m < MR; ++m) acc[0][m][n] += splat(p[m][i]) * b;
    }
  for (int m = 0; m < MR; ++m)
    for (int n = 0; n < NV; ++n) {
      V s = acc[0][m][n];
      for (int q = 1; q < KU; ++q) s += acc[q][m][n];
      *(VU*)(c[m] + n * VL) = s;
    }
}

// the same with the left side packed: 8 numbers per k, of which MR are used
template <int MR, int NV> static void mkp(const REAL* a, i64 k, const REAL* w, REAL* const* c, bool add) {
  constexpr int KU = MR * NV >= 10 ? 1 : MR * NV >= 5 ? 2 : 4;
  V acc[KU][MR][NV];
  for (int q = 0; q < KU; ++q)
    for (int m = 0; m < MR; ++m)
      for (int n = 0; n < NV; ++n) acc[q][m][n] = V{};
  if (add)
    for (int m = 0; m < MR; ++m)
      for (int n = 0; n < NV; ++n) acc[0][m][n] = *(const VU*)(c[m] + n * VL);
  auto step = [&](i64 i, V(&t)[MR][NV]) __attribute__((always_inline)) {
    V b[NV];
#pragma GCC unroll 4
    for (int n = 0; n < NV; ++n) b[n] = *(const V*)(w + i * (NV * VL) + n * VL);
#pragma GCC unroll 8
    for (int m = 0; m < MR; ++m) {
      V s = splat(a[i * 8 + m]);
#pragma GCC unroll 4
      for (int n = 0; n < NV; ++n) t[m][n] += s * b[n];
    }
  };
  i64 i = 0;
  for (; i + KU <= k; i += KU)
#pragma GCC unroll 4
    for (int q = 0; q < KU; ++q) step(i + q, acc[q]);
  for (; i < k; ++i) step(i, acc[0]);
  for (int m = 0; m < MR; ++m)
    for (int n = 0; n < NV; ++n) {
      V s = acc[0][m][n];
      for (int q = 1; q < KU; ++q) s += acc[q][m][n];
      *(VU*)(c[m] + n * VL) = s;
    }
}

typedef void (*Mk)(const REAL* const*, i64, i64, const REAL*, REAL* const*, bool);
typedef void (*Mkp)(const REAL*, i64, const REAL*, REAL* const*, bool);
#define ROW(f, m) {f<m, 1>, f<m, 2>, f<m, NVMAX == 4 ? 3 : 1>, f<m, NVMAX == 4 ? 4 : 1>}
static const Mk MK[MRMAX][4] = {ROW(mk, 1), ROW(mk, 2), ROW(mk, 3), ROW(mk, 4), ROW(mk, 5), ROW(mk, 6)};
static const Mkp MKP[MRMAX][4] = {ROW(mkp, 1), ROW(mkp, 2), ROW(mkp, 3), ROW(mkp, 4), ROW(mkp, 5), ROW(mkp, 6)};

static inline i64 ceil_div(i64 a, i64 b) { return (a + b - 1) / b; }
static inline i64 part(i64 n, i64 parts, i64 i) { return n * i / parts; }

// ---- threads --------------------------------------------------------------------------------------

struct Barrier {
  std::atomic<int> count{0}, phase{0};
  void wait(int n) {
    if (n == 1) return;
    int p = phase.load(std::memory_order_relaxed);
    if (count.fetch_add(1, std::memory_order_acq_rel) == n - 1) {
      count.store(0, std::memory_order_relaxed);
      phase.store(p + 1, std::memory_order_release);
      return;
    }
    for (int spins = 0; phase.load(std::memory_order_acquire) == p; ++spins) {
      if (spins > 4000) sched_yield();
#if defined(__x86_64__)
      else __builtin_ia32_pause();
#endif
    }
  }
};

typedef void (*GompParallel)(void (*)(void*), void*, unsigned, unsigned);
typedef int (*GompNumber)();
static GompParallel gomp_parallel = nullptr;
static GompNumber gomp_thread = nullptr, gomp_threads = nullptr;
extern "C" void rondo_openmp(void* parallel, void* thread, void* threads) {
  gomp_parallel = (GompParallel)parallel;
  gomp_thread = (GompNumber)thread;
  gomp_threads = (GompNumber)threads;
}

// Runs work(tid) for tid in [0, n), at once if the runtime gives n threads; `together` says whether it did.
template <class F> struct Team {
  F* work;
  int n;
  static void entry(void* self) {
    Team* t = (Team*)self;
    int have = gomp_threads(), me = gomp_thread();
    if (have >= t->n) {
      if (me < t->n) (*t->work)(me, t->n, true);
    } else if (me == 0) {
      (*t->work)(0, t->n, false);
    }
  }
};
template <class F> static void parallel(int n, F work) {
  if (n <= 1 || !gomp_parallel) return work(0, n, n <= 1);
  Team<F> team{&work, n};
  gomp_parallel(Team<F>::entry, &team, (unsigned)n, 0);
}

// Denormal floats count as zero until the end of the scope: a gradient that vanishes over hundreds of steps becomes
// denormal before it becomes zero, and many processors then need a hundred cycles for each operation.
class FlushDenormals {
#if defined(__SSE__)
  typedef unsigned Mode;
  static Mode read() { return __builtin_ia32_stmxcsr(); }
  static void write(Mode mode) { __builtin_ia32_ldmxcsr(mode); }
  static constexpr Mode FLUSH = 0x8040;  // results, operands
#elif defined(__aarch64__)
  typedef uint64_t Mode;
  static Mode read() {
    Mode mode;
    asm volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
  }
  static void write(Mode mode) { asm volatile("msr fpcr, %0" ::"r"(mode)); }
  static constexpr Mode FLUSH = 1u << 24;
#else
  typedef int Mode;
  static Mode read() { return 0; }
  static void write(Mode) {}
  static constexpr Mode FLUSH = 0;
#endif
  const Mode before = read();

 public:
  FlushDenormals() {
    if (is_float) write(before | FLUSH);  // double is for checking
  }
  ~FlushDenormals() { write(before); }
};

// ---- one thread's work ------------------------------------------------------------------------------

struct Place {  // a Desc with its addresses
  char* base;
  i64 ts, rs, us, period, toff, kind;
  char *first, *initial;
  i64 first_rs, initial_rs, width;
};
static inline Place resolve(const Program& P, const Desc& d) {
  auto at = [&](i64 slot) { return slot < 0 ? nullptr : P.pointers[slot]; };
  return {at(d.slot) + (d.slot < 0 ? 0 : d.offset), d.ts, d.rs, d.us, d.period, d.toff, d.kind,
          at(d.first), at(d.initial), d.first_rs, d.initial_rs, d.width};
}

struct RowAddress {  // the rows of a view over time, with the rule for states that enter a step
  const Program& P;
  const Place d;
  const REAL* operator()(i64 t, i64 r) const {
    i64 k = t + d.toff;
    if (d.kind == PREVIOUS) {
      if (P.resets && P.resets[t * P.B + r]) return (const REAL*)(d.initial + r * d.initial_rs);
      if (k < 0) return (const REAL*)(d.first + r * d.first_rs);
    }
    return (const REAL*)(d.base + (d.period ? k % d.period : k) * d.ts + r * d.rs);
  }
};

struct Worker {
  const Program& P;
  Barrier& barrier;
  int tid, members;     // members: threads that meet at barriers
  i64 r0, r1;           // rows of this thread
  View* v;              // in scratch, as are the next three
  Place* place;
  REAL* tile;           // product tiles
  char* patch;          // patched states
  const REAL* packed;

  void prepare() {
    for (i64 i = 0; i < P.nviews; ++i) {
      place[i] = resolve(P, P.views[i]);
      if (place[i].kind == PER_THREAD) memset(place[i].base + tid * place[i].ts, 0, place[i].width);
    }
  }

  i64 alive(i64 t) const { return P.active ? r0 + P.active[(P.split_units ? 0 : tid) * P.T + t] : r1; }

  void units(const Stage& s, i64& u0, i64& u1) const {  // this thread's unit blocks, whole tiles
    u0 = 0, u1 = s.blocks;
    if (P.split_units && members > 1) {
      i64 grains = ceil_div(s.blocks, P.grain);  // the same cut in every stage: pointwise values stay with their thread
      u0 = part(grains, members, tid) * P.grain;
      i64 e = part(grains, members, tid + 1) * P.grain;
      u1 = e < s.blocks ? e : s.blocks;
    }
  }

  void at(i64 t) {  // point every view at step t
    for (i64 i = 0; i < P.nviews; ++i) {
      const Place& d = place[i];
      v[i].rs = d.rs, v[i].us = d.us;
      i64 k = t + d.toff;
      if (d.kind == PREVIOUS) {
        if (k < 0) v[i].p = d.first, v[i].rs = d.first_rs;
        else v[i].p = d.base + (d.period ? k % d.period : k) * d.ts;
      } else if (d.kind == PER_THREAD) {
        v[i].p = d.base + tid * d.ts;
      } else {
        v[i].p = d.base + (d.period ? k % d.period : k) * d.ts;
      }
    }
    if (P.resets && P.any_reset[t]) {
      if (P.split_units) barrier.wait(members);  // the rows to copy come from all threads
      patch_resets(t);
    }
  }

  void patch_resets(i64 t) {  // rows that start a segment at t enter with the initial state
    char* q = patch;
    for (i64 i = 0; i < P.nprevious; ++i) {
      const Place& d = place[i];
      i64 end = alive(t);
      for (i64 r = r0; r < end; ++r) {
        bool cut = P.resets[t * P.B + r];
        memcpy(q + r * d.width, cut ? d.initial + r * d.initial_rs : v[i].p + r * v[i].rs, d.width);
      }
      v[i].p = q, v[i].rs = d.width;
      q += P.B * d.width;
    }
  }

  // rows of a list through one group, for unit blocks [u0, u1); `results` gives each row's place for its first vector
  template <class Rows, class Out>
  void product(const Group& g, i64 blocks_per_tile, i64 u0, i64 u1, i64 rows, Rows row, Out out) {
    i64 first = u0 * g.slots, nv = (u1 - u0) * g.slots, panels = ceil_div(nv, NVMAX);
    i64 nblk = ceil_div(rows, MRMAX);
    for (i64 p = 0; p < panels; ++p) {
      i64 c0 = part(nv, panels, p), w = part(nv, panels, p + 1) - c0;
      bool add = false;
      for (i64 s = 0; s < g.nseg; ++s) {
        const Segment& seg = g.seg[s];
        const REAL* base = packed + seg.w + (first + c0) * VL * seg.k;
        i64 cuts = ceil_div(seg.k, KC);
        for (i64 kb = 0; kb < cuts; ++kb) {
          i64 k0 = part(seg.k, cuts, kb), k = part(seg.k, cuts, kb + 1) - k0;
          for (i64 b = 0; b < nblk; ++b) {
            i64 m0 = part(rows, nblk, b), m = part(rows, nblk, b + 1) - m0;
            const REAL* a[MRMAX];
            REAL* c[MRMAX];
            for (i64 j = 0; j < m; ++j) a[j] = row(seg, m0 + j), c[j] = out(m0 + j, c0);
            MK[m - 1][w - 1](a, k0, k, base + k0 * w * VL, c, add);
          }
          add = true;
        }
      }
    }
  }

  const REAL* operand(const Segment& s, i64 r) const { return (const REAL*)(v[s.view].p + r * v[s.view].rs); }

  void step_stage(const Stage& s, i64 t) {  // one stage of the loop at step t
    if (s.barrier) barrier.wait(members);
    i64 u0, u1, end = alive(t);
    units(s, u0, u1);
    if (s.reduce) s.reduce(v, r0, end, 0, s.blocks, s.n, P.saving);
    if (!s.ngroup) {
      if (s.region && u1 > u0 && end > r0) s.region(v, r0, end, u0, u1, s.n, P.saving);
      return;
    }
    for (i64 u = u0; u < u1; u += s.tile_blocks) {
      i64 ue = u + s.tile_blocks < u1 ? u + s.tile_blocks : u1;
      i64 chunks = ceil_div(end - r0, RC);
      for (i64 q = 0; q < chunks; ++q) {
        i64 a = r0 + part(end - r0, chunks, q), e = r0 + part(end - r0, chunks, q + 1);
        REAL* spot = tile;
        for (i64 gi = 0; gi < s.ngroup; ++gi) {
          const Group& g = s.group[gi];
          i64 ld = s.tile_blocks * g.slots * VL;
          product(g, s.tile_blocks, u, ue, e - a, [&](const Segment& sg, i64 r) { return operand(sg, a + r); },
                  [&](i64 r, i64 c) { return spot + r * ld + c * VL; });
          for (i64 j = 0; j < g.slots; ++j) {
            View& w = v[g.view + j];
            w.rs = ld * sizeof(REAL), w.us = g.slots * VL * sizeof(REAL);
            w.p = (char*)(spot + j * VL) - a * w.rs - u * w.us;
          }
          spot += RC * ld;
        }
        if (s.region) s.region(v, a, e, u, ue, s.n, P.saving);
      }
    }
  }

  // a stage of whole-sequence products over steps [t0, t1): the rows of all these steps at once
  void flat_stage(const Stage& s, i64 t0, i64 t1) {
    if (s.barrier) barrier.wait(members);
    i64 u0, u1;
    units(s, u0, u1);
    for (i64 gi = 0; gi < s.ngroup; ++gi) {
      const Group& g = s.group[gi];
      const Place& od = place[g.view];
      constexpr i64 N = 96;
      i64 ts[N], rs[N], t = t0, r = r0;
      while (t < t1) {  // gather up to N (step, row) pairs, then multiply them together
        i64 count = 0;
        while (count < N && t < t1) {
          if (r >= alive(t)) { ++t, r = r0; continue; }
          ts[count] = t, rs[count++] = r++;
        }
        if (!count) break;
        for (i64 u = u0; u < u1; u += s.tile_blocks) {
          i64 ue = u + s.tile_blocks < u1 ? u + s.tile_blocks : u1;
          product(g, s.tile_blocks, u, ue, count,
                  [&](const Segment& sg, i64 i) {
                    return RowAddress{P, place[sg.view]}(ts[i], rs[i]);
                  },
                  [&](i64 i, i64 c) {
                    return (REAL*)(od.base + (od.period ? ts[i] % od.period : ts[i]) * od.ts + rs[i] * od.rs) + u * g.slots * VL + c * VL;
                  });
        }
      }
    }
    if (!s.reduce && !s.region) return;
    if (s.reduce && s.ngroup) barrier.wait(members);
    for (i64 t = t0; t < t1; ++t) {
      at(t);
      i64 end = alive(t);
      if (end <= r0) continue;
      if (s.reduce) s.reduce(v, r0, end, 0, s.blocks, s.n, P.saving);
      if (s.region && u1 > u0) s.region(v, r0, end, u0, u1, s.n, P.saving);
    }
  }

  void forward() {
    for (i64 t0 = 0; t0 < P.T; t0 += P.chunk) {
      i64 t1 = t0 + P.chunk < P.T ? t0 + P.chunk : P.T;
      if (P.npre > 1 && t0 && P.split_units) barrier.wait(members);  // others may still read the last chunk
      for (i64 i = 0; i < P.npre; ++i) flat_stage(P.pre[i], t0, t1);
      if (P.npre > 1 && P.split_units) barrier.wait(members);  // the loop may write where others still read
      for (i64 t = t0; t < t1; ++t) {
        if (alive(t) <= r0) continue;  // no barrier is missed: a unit split has the same rows in every thread
        at(t);
        for (i64 i = 0; i < P.nloop; ++i) step_stage(P.loop[i], t);
      }
    }
    for (i64 i = 0; i < P.npost; ++i) flat_stage(P.post[i], 0, P.T);
  }

  void begin_rows(i64 t, i64 from, i64 to) {  // rows whose last step is t: the adjoint of their final state enters
    for (i64 c = 0; c < P.ncarry; ++c) {
      const Carry& k = P.carry[c];
      for (i64 r = from; r < to; ++r) {
        if (P.split_units && r % members != tid) continue;
        memcpy(v[k.view_in].p + r * v[k.view_in].rs, P.pointers[k.final] + r * k.final_rs, k.width);
      }
    }
    if (P.split_units) barrier.wait(members);
  }

  void cut_rows(i64 t, i64 end) {  // nothing flows back across a reset: it goes to the state that was put in
    if (P.split_units) barrier.wait(members);
    for (i64 c = 0; c < P.ncarry; ++c) {
      const Carry& k = P.carry[c];
      for (i64 r = r0; r < end; ++r) {
        if (!P.resets[t * P.B + r] || (P.split_units && r % members != tid)) continue;
        REAL* d = (REAL*)(v[k.view_out].p + r * v[k.view_out].rs);
        if (k.reset_sum >= 0)
          for (i64 i = 0; i < k.width / (i64)sizeof(REAL); ++i)
            ((REAL*)(P.pointers[k.reset_sum] + r * k.reset_rs))[i] += d[i];
        memset(d, 0, k.width);
      }
    }
    if (P.split_units) barrier.wait(members);
  }

  void backward() {
    i64 before = r0;  // rows already running at t + 1
    for (i64 i = 0; i < P.npre; ++i) flat_stage(P.pre[i], 0, P.T);
    for (i64 t = P.T - 1; t >= 0; --t) {
      i64 end = alive(t);
      if (end <= r0) continue;
      at(t);
      if (end > before) begin_rows(t, before, end);
      before = end;
      for (i64 i = 0; i < P.nloop; ++i) step_stage(P.loop[i], t);
      if (P.resets && P.any_reset[t]) cut_rows(t, end);
    }
    if (P.npost && P.split_units) barrier.wait(members);
    if (P.split_units && members > 1) {  // whole-sequence products: rows are split again
      i64 a = part(P.B, members, tid), e = part(P.B, members, tid + 1);
      if (P.B >= members * 4 && !P.active) { post_rows(a, e, 0, P.T); }
      else if (!P.active) { post_rows(r0, r1, part(P.T, members, tid), part(P.T, members, tid + 1)); }
      else for (i64 i = 0; i < P.npost; ++i) flat_stage(P.post[i], 0, P.T);
    } else {
      for (i64 i = 0; i < P.npost; ++i) flat_stage(P.post[i], 0, P.T);
    }
  }

  void post_rows(i64 a, i64 e, i64 t0, i64 t1) {  // all post stages on own rows and steps: no thread needs another's
    Worker w = *this;
    w.r0 = a, w.r1 = e, w.members = 1;
    for (i64 i = 0; i < P.npost; ++i) w.flat_stage(P.post[i], t0, t1);
  }
};

// ---- weight gradients: sums over all (step, row) pairs, left^T right --------------------------------


constexpr i64 WK = 256, WM = 192;  // rows summed at once, columns of the left side packed at once

static void weight_grad(const Program& P, const WeightGrad& w, int tid, int members, char* scratch) {
  REAL* left = (REAL*)scratch;                      // [WM / MRMAX][WK][8]
  REAL* right = left + (WM / MRMAX) * WK * 8;       // [WK][NVMAX * VL]
  REAL* spare = right + WK * NVMAX * VL;            // [MRMAX][NVMAX * VL]
  RowAddress L{P, resolve(P, P.views[w.left])}, R{P, resolve(P, P.views[w.right])};
  REAL* grads = (REAL*)P.pointers[P.grads];
  auto out = [&](i64 m) -> REAL* {  // the gradient's row that column m of the left side belongs to
    i64 slot = m / VL % w.slots, unit = m / VL / w.slots * VL + m % VL;
    const Column& c = w.column[slot];
    return unit < c.units ? grads + c.param + unit * w.lds[slot] + c.column : nullptr;
  };
  i64 tiles = ceil_div(w.m, MRMAX), m0 = part(tiles, members, tid) * MRMAX, m1 = part(tiles, members, tid + 1) * MRMAX;
  if (m1 > w.m) m1 = w.m;
  if (m1 <= m0) return;
  const REAL* lrow[WK];
  const REAL* rrow[WK];
  bool add = w.add;
  i64 t = 0, b = 0, block = 0, rows_alive = 0;
  i64 blocks = P.active && !P.split_units ? P.threads : 1;
  auto alive = [&](i64 blk, i64 step, i64& start) {
    start = P.active && !P.split_units ? P.row_split[blk] : 0;
    return P.active ? start + P.active[blk * P.T + step] : P.B;
  };
  i64 start;
  bool fresh = true;
  while (true) {
    i64 k = 0;
    while (k < WK && t < P.T) {
      rows_alive = alive(block, t, start);
      if (fresh) b = start, fresh = false;
      if (b >= rows_alive) {
        fresh = true;
        if (++block == blocks) block = 0, ++t;
        continue;
      }
      lrow[k] = L(t, b), rrow[k] = R(t, b);
      ++k, ++b;
    }
    if (!k && add) break;
    for (i64 mb = m0; mb < m1; mb += WM) {
      i64 me = mb + WM < m1 ? mb + WM : m1;
      for (i64 m = mb; m < me; m += MRMAX) {
        REAL* q = left + (m - mb) / MRMAX * WK * 8;
        i64 cnt = m + MRMAX < me ? MRMAX : me - m;
        for (i64 i = 0; i < k; ++i)
          for (i64 j = 0; j < cnt; ++j) q[i * 8 + j] = lrow[i][m + j];
      }
      for (i64 n0 = 0; n0 < w.n; n0 += NVMAX * VL) {
        i64 cols = w.n - n0 < NVMAX * VL ? w.n - n0 : NVMAX * VL, nv = ceil_div(cols, VL);
        bool whole = cols == nv * VL;
        for (i64 i = 0; i < k; ++i) {
          REAL* q = right + i * nv * VL;
          if (whole) for (i64 c = 0; c < nv; ++c) *(V*)(q + c * VL) = *(const VU*)(rrow[i] + n0 + c * VL);
          else {
            memset(q, 0, nv * VL * sizeof(REAL));
            memcpy(q, rrow[i] + n0, cols * sizeof(REAL));
          }
        }
        for (i64 m = mb; m < me; m += MRMAX) {
          i64 cnt = m + MRMAX < me ? MRMAX : me - m;
          REAL *c[MRMAX], *rows[MRMAX];
          for (i64 j = 0; j < cnt; ++j) {
            REAL* o = rows[j] = out(m + j);
            c[j] = spare + j * NVMAX * VL;
            if (o && whole) c[j] = o + n0;
            else if (o && add) memcpy(c[j], o + n0, cols * sizeof(REAL));
            else memset(c[j], 0, NVMAX * VL * sizeof(REAL));
          }
          MKP[cnt - 1][nv - 1](left + (m - mb) / MRMAX * WK * 8, k, right, c, add);
          if (!whole)
            for (i64 j = 0; j < cnt; ++j)
              if (rows[j]) memcpy(rows[j] + n0, c[j], cols * sizeof(REAL));
        }
      }
    }
    add = true;
    if (t >= P.T) break;
  }
}

static inline i64 view_bytes(i64 nviews) { return (nviews * (i64)(sizeof(View) + sizeof(Place)) + 63) / 64 * 64; }

extern "C" int64_t rondo_scratch(int64_t nviews, int64_t tile_vectors, int64_t patch_bytes) {  // bytes a thread needs
  i64 loop = view_bytes(nviews) + (RC * tile_vectors * VL) * sizeof(REAL) + patch_bytes + 256;
  i64 grads = ((WM / MRMAX) * WK * 8 + WK * NVMAX * VL + MRMAX * NVMAX * VL) * sizeof(REAL) + 256;
  return ((loop > grads ? loop : grads) + 4095) / 4096 * 4096;
}

static void add_sums(const Program& P) {
  for (i64 i = 0; i < P.nsum; ++i) {
    const Sum& s = P.sum[i];
    Place d = resolve(P, P.views[s.view]);
    REAL* to = (REAL*)P.pointers[P.grads] + s.out;
    for (i64 j = 0; j < s.n; ++j) {
      REAL total = 0;
      for (i64 t = 0; t < P.threads; ++t) total += ((const REAL*)(d.base + t * d.ts))[j];
      to[j] = total;
    }
  }
}

extern "C" void rondo_run(const Program* program) {
  const Program& P = *program;
  Barrier barrier;
  parallel((int)P.threads, [&](int tid, int n, bool together) {
    FlushDenormals flush;
    auto run = [&](int id, int members) {
      char* s = P.scratch + id * P.scratch_size;
      char* tile = s + view_bytes(P.nviews);
      Worker w{P, barrier, id, members, 0, P.B, (View*)s, (Place*)(s + P.nviews * sizeof(View)), (REAL*)tile,
               tile + RC * P.tile_vectors * VL * sizeof(REAL), (const REAL*)P.pointers[0]};
      if (!P.split_units) w.r0 = P.row_split[id], w.r1 = P.row_split[id + 1];
      w.prepare();
      if (P.backward) w.backward();
      else w.forward();
    };
    if (together) run(tid, P.split_units ? n : 1);
    else if (P.split_units) {
      for (i64 i = 0; i < P.nviews; ++i)  // the other threads' sums are not filled
        if (P.views[i].kind == PER_THREAD) memset(resolve(P, P.views[i]).base, 0, P.views[i].ts * P.threads);
      run(0, 1);
    } else for (int i = 0; i < n; ++i) run(i, 1);
    if (!P.backward) return;
    if (together) barrier.wait(n);
    if (tid == 0) add_sums(P);
    int me = together ? tid : 0, all = together ? n : 1;
    for (i64 i = 0; i < P.nweight; ++i) {
      weight_grad(P, P.weight[i], me, all, P.scratch + me * P.scratch_size);
      if (together) barrier.wait(n);  // the next may add to the same gradient
    }
  });
}

// ---- packing ----------------------------------------------------------------------------------------

// Columns of the product (unit vectors of VL outputs) from rows of the matrix: w[v][k][lane] = rows[v * VL + lane][k].
// Panels follow the tiles of `tile` vectors that product() walks: within a panel of nv vectors, [k][nv * VL].
static i64 panel_of(i64 v, i64 total, i64 tile, i64& lane0, i64& width) {
  i64 start = v / tile * tile, nv = total - start < tile ? total - start : tile, panels = ceil_div(nv, NVMAX);
  for (i64 p = 0; p < panels; ++p) {
    i64 c0 = part(nv, panels, p), c1 = part(nv, panels, p + 1);
    if (v - start < c1) {
      lane0 = v - start - c0, width = c1 - c0;
      return start + c0;
    }
  }
  return -1;
}

struct PackJob {
  i64 columns;           // 0: outputs are the matrices' rows; 1: the transposed product, rows run along k
  i64 slots;
  Column* column;        // per slot
  i64 k, vectors, tile;  // length of the products, output vectors, vectors per tile
  i64 n;                 // columns == 1: real outputs
  i64 offset;            // into the packed buffer
};

// w[v][k][lane] = row (v * VL + lane) [k]; panels as in product(): within a panel of nv vectors, [k][nv * VL]
static void pack_rows(const PackJob& j, const REAL* const* base, const i64* lds, i64 v0, i64 v1, REAL* w) {
  for (i64 v = v0; v < v1; ++v) {
    i64 lane0 = 0, width = 1, first = panel_of(v, j.vectors, j.tile, lane0, width);
    REAL* q = w + first * VL * j.k + lane0 * VL;
    const Column& c = j.column[v % j.slots];
    i64 u0 = v / j.slots * VL, ld = width * VL;
    const REAL* rows[VL];
    for (i64 i = 0; i < VL; ++i) rows[i] = u0 + i < c.units ? base[c.param] + (u0 + i) * lds[c.param] + c.column : nullptr;
    for (i64 k0 = 0; k0 < j.k; k0 += 16) {
      i64 ke = k0 + 16 < j.k ? k0 + 16 : j.k;
      for (int i = 0; i < VL; ++i)
        if (rows[i]) for (i64 k = k0; k < ke; ++k) q[k * ld + i] = rows[i][k];
        else for (i64 k = k0; k < ke; ++k) q[k * ld + i] = 0;
    }
  }
}

// the transposed product: w[v][k][lane] = row k [v * VL + lane], rows in the order (unit block, slot, lane)
static void pack_columns(const PackJob& j, const REAL* const* base, const i64* lds, i64 v0, i64 v1, REAL* w) {
  for (i64 v = v0; v < v1; ++v) {
    i64 lane0 = 0, width = 1, first = panel_of(v, j.vectors, j.tile, lane0, width);
    REAL* q = w + first * VL * j.k + lane0 * VL;
    i64 ld = width * VL, cols = j.n - v * VL < VL ? j.n - v * VL : VL;
    for (i64 kb = 0; kb < j.k / VL; ++kb) {
      const Column& c = j.column[kb % j.slots];
      i64 u0 = kb / j.slots * VL;
      for (i64 i = 0; i < VL; ++i) {
        REAL* to = q + (kb * VL + i) * ld;
        const REAL* from = base[c.param] + (u0 + i) * lds[c.param] + c.column + v * VL;
        if (u0 + i < c.units && cols == VL) *(V*)to = *(const VU*)from;
        else {
          *(V*)to = V{};
          if (u0 + i < c.units && cols > 0) memcpy(to, from, cols * sizeof(REAL));
        }
      }
    }
  }
}

// All packed operands of one direction, and the vector parameters padded with zeros (`vectors`: param, n, padded, offset).
extern "C" void rondo_pack(const PackJob* jobs, int64_t njob, const int64_t* vectors, int64_t nvector, const REAL* const* base,
                           const int64_t* lds, int64_t threads, REAL* w) {
  parallel((int)threads, [&](int tid, int n, bool together) {
    if (!together) tid = 0, n = 1;
    for (i64 i = 0; i < njob; ++i) {
      const PackJob& j = jobs[i];
      i64 a = part(j.vectors, n, tid), e = part(j.vectors, n, tid + 1);
      (j.columns ? pack_columns : pack_rows)(j, base, lds, a, e, w + j.offset);
    }
    if (tid) return;
    for (i64 i = 0; i < nvector; ++i) {
      const i64* q = vectors + 4 * i;
      memcpy(w + q[3], base[q[0]], q[1] * sizeof(REAL));
      memset(w + q[3] + q[1], 0, (q[2] - q[1]) * sizeof(REAL));
    }
  });
}

extern "C" int64_t rondo_lanes() { return VL; }
extern "C" int64_t rondo_panel() { return NVMAX; }

// The elementary functions alone, for tests: y[i] = f(x[i]); n a multiple of the lanes.
extern "C" void rondo_function(int64_t which, const REAL* x, REAL* y, int64_t n) {
  V (*f[])(V) = {v_exp, v_log, v_tanh, v_sigmoid, v_softplus, v_sqrt};
  for (i64 i = 0; i < n; i += VL) *(VU*)(y + i) = f[which](*(const VU*)(x + i));
}

// A checksum of tensors' bits that depends on their order: says whether packed weights are still those of the tensors.
extern "C" int64_t rondo_checksum(const int32_t* const* p, const int64_t* words, int64_t count) {
  typedef uint32_t W __attribute__((vector_size(VBYTES)));
  typedef uint32_t WU __attribute__((vector_size(VBYTES), aligned(4), may_alias));
  constexpr i64 L = VBYTES / 4;
  uint64_t total = 1469598103934665603ull;
  for (i64 i = 0; i < count; ++i) {
    W s1 = {}, s2 = {};
    i64 n = words[i] / L * L;
    for (i64 k = 0; k < n; k += L) s1 += *(const WU*)(p[i] + k), s2 += s1;
    for (i64 k = n; k < words[i]; ++k) s1[k - n] += (uint32_t)p[i][k], s2[k - n] += s1[k - n];
    for (int j = 0; j < L; ++j) total = (total ^ s1[j]) * 1099511628211ull, total = (total ^ s2[j]) * 1099511628211ull;
  }
  return (i64)total;
}

// Asks for huge pages under fresh memory: the first touch of each page is a large part of a short call.
extern "C" void rondo_huge_pages(char* p, int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t page = 4096;
  uintptr_t a = ((uintptr_t)p + page - 1) / page * page, e = ((uintptr_t)p + bytes) / page * page;
  if (e > a) madvise((void*)a, e - a, MADV_HUGEPAGE);
#endif
}
