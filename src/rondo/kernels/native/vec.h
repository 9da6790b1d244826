// Vectors of the target's width and the elementary functions on them. REAL is float or double.
// float: own functions, within 4 ulp, exact limits, NaN kept. double: libm lane by lane (for checking, not for speed).
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX__)
#include <immintrin.h>
#endif

#ifndef REAL
#define REAL float
#endif

#if defined(__AVX512F__)
#define VBYTES 64
#elif defined(__AVX__)
#define VBYTES 32
#else
#define VBYTES 16
#endif

constexpr bool is_float = sizeof(REAL) == 4;
constexpr int VL = VBYTES / (int)sizeof(REAL);  // lanes
template <int N> struct IntOf;
template <> struct IntOf<4> { typedef int32_t type; };
template <> struct IntOf<8> { typedef int64_t type; };
typedef typename IntOf<sizeof(REAL)>::type INT;

typedef REAL V __attribute__((vector_size(VBYTES)));
typedef INT VI __attribute__((vector_size(VBYTES)));
typedef REAL VU __attribute__((vector_size(VBYTES), aligned(sizeof(REAL)), may_alias));
typedef uint8_t VB __attribute__((vector_size(VL), aligned(1), may_alias));

struct View {  // one operand at the current step: element (row, unit block) lies at p + row * rs + block * us (bytes)
  char* p;
  int64_t rs, us;
};

static inline V splat(REAL x) { return V{} + x; }
static inline V load(const View& v, int64_t row, int64_t u) { return *(const VU*)(v.p + row * v.rs + u * v.us); }
static inline void store(const View& v, int64_t row, int64_t u, V x) { *(VU*)(v.p + row * v.rs + u * v.us) = x; }
static inline V load_scalar(const View& v, int64_t row) { return splat(*(const REAL*)(v.p + row * v.rs)); }
static inline void store_scalar(const View& v, int64_t row, V x) { *(REAL*)(v.p + row * v.rs) = x[0]; }
static inline VI load_mask(const View& v, int64_t row, int64_t u) {
  VB m = *(const VB*)(v.p + row * v.rs + u * v.us);
  return __builtin_convertvector(m, VI) != 0;
}
static inline VI lanes_below(int64_t n) {
  VI k;
  for (int i = 0; i < VL; ++i) k[i] = i;
  return k < (VI{} + (INT)n);
}
static inline REAL sum(V x) {
  REAL s = 0;
  for (int i = 0; i < VL; ++i) s += x[i];
  return s;
}

static inline V v_where(VI m, V a, V b) { return m ? a : b; }
static inline V v_abs(V x) { return (V)((VI)x & (VI{} + (INT)(is_float ? (INT)0x7fffffff : (INT)(~0ull >> 1)))); }
static inline V v_relu(V x) { return x > 0 ? x : (x != x ? x : V{}); }
static inline V v_minimum(V a, V b) { return a < b ? a : (a != a ? a : b); }
static inline V v_maximum(V a, V b) { return b < a ? a : (a != a ? a : b); }
static inline V v_sqrt(V x) {
  V y;
  for (int i = 0; i < VL; ++i) y[i] = is_float ? (REAL)__builtin_sqrtf((float)x[i]) : (REAL)__builtin_sqrt((double)x[i]);
  return y;
}

template <class F> static inline V lanewise(V x, F f) {
  for (int i = 0; i < VL; ++i) x[i] = f(x[i]);
  return x;
}

// min and max that keep a NaN in x; compilers do not find the instruction by themselves
static inline V at_most(V x, REAL c) {
#if defined(__AVX512F__)
  if constexpr (is_float) return (V)_mm512_min_ps(_mm512_set1_ps((float)c), (__m512)x);
#elif defined(__AVX__)
  if constexpr (is_float) return (V)_mm256_min_ps(_mm256_set1_ps((float)c), (__m256)x);
#endif
  return x > c ? splat(c) : x;
}
static inline V at_least(V x, REAL c) {
#if defined(__AVX512F__)
  if constexpr (is_float) return (V)_mm512_max_ps(_mm512_set1_ps((float)c), (__m512)x);
#elif defined(__AVX__)
  if constexpr (is_float) return (V)_mm256_max_ps(_mm256_set1_ps((float)c), (__m256)x);
#endif
  return x < c ? splat(c) : x;
}

// p * 2^n for whole n in [-160, 160], with overflow to infinity and gradual underflow
static inline V scale(V p, V n) {
#if defined(__AVX512F__)
  if constexpr (is_float) return (V)_mm512_scalef_ps((__m512)p, (__m512)n);
#endif
  VI k = __builtin_convertvector(n, VI), half = k >> 1;
  return p * (V)((half + 127) << 23) * (V)((k - half + 127) << 23);
}

// x = n ln2 + r, |r| <= ln2 / 2; returns e^r - 1 and n. x must lie within +-150 (NaN passes).
static inline V reduce_exp(V x, V& n) {
  n = (x * 1.44269504f + 12582912.f) - 12582912.f;  // adding 1.5 * 2^23 rounds to a whole number
  V r = x - n * 0.693145752f;  // ln2 in two parts, the first exact in few bits
  r = r - n * 1.42860677e-06f;
  V q = (((splat(0.0013933733216306824f) * r + 0.008363235384627755f) * r + 0.0416664641673128f) * r + 0.16666576643547173f) * r + 0.5f;
  return q * r * r + r;
}
static inline V exp_within(V x) {  // for x in [-104, 89]
  V n;
  V p = reduce_exp(x, n);
  return scale(p + 1.f, n);
}
static inline V v_exp(V x) {
  if constexpr (!is_float) return lanewise(x, [](REAL v) { return (REAL)std::exp(v); });
  return exp_within(at_least(at_most(x, 89), -104));  // e^89 overflows to inf, e^-104 vanishes
}
static inline V v_sigmoid(V x) {
  if constexpr (!is_float) return lanewise(x, [](REAL v) { return v < 0 ? std::exp(v) / (1 + std::exp(v)) : 1 / (1 + std::exp(-v)); });
  V e = exp_within(at_least(-v_abs(x), -104));
  return (x < 0 ? e : splat(1.f)) / (e + 1.f);
}
static inline V v_tanh(V x) {
  if constexpr (!is_float) return lanewise(x, [](REAL v) { return (REAL)std::tanh(v); });
  V n, a = at_most(v_abs(x), 10);  // tanh(10) rounds to 1
  V p = reduce_exp(a + a, n);
  V two = scale(splat(1), n);
  V em = two * p + (two - 1.f);  // e^(2a) - 1 without cancellation
  V t = em / (em + 2.f);
  return (V)((VI)t | ((VI)x & (VI{} + (INT)0x80000000)));
}
// log(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)]
static inline V log1p_small(V f) {
  V q = splat(0.0714975389255799f);
  q = q * f - 0.11571200727591882f;
  q = q * f + 0.11661511067428504f;
  q = q * f - 0.12411050683928963f;
  q = q * f + 0.14249936532995763f;
  q = q * f - 0.16668480239506464f;
  q = q * f + 0.20000707478390414f;
  q = q * f - 0.249999890487349f;
  q = q * f + 0.3333333119084812f;
  return q * f * f * f - 0.5f * f * f + f;
}
static inline V v_log(V x) {
  if constexpr (!is_float) return lanewise(x, [](REAL v) { return (REAL)std::log(v); });
  VI tiny = x < 1.17549435e-38f;
  V y = tiny ? x * 8388608.f : x;  // denormals
  VI bits = (VI)y;
  VI k = ((bits - 0x3f3504f3) >> 23);  // y = 2^k m, m in [sqrt(1/2), sqrt(2))
  V m = (V)(bits - (k << 23));
  V e = __builtin_convertvector(k, V) - (tiny ? splat(23.f) : V{});
  V r = log1p_small(m - 1.f) + e * 1.42860677e-06f + e * 0.693145752f;
  r = x == 0 ? splat(-INFINITY) : r;
  r = x < 0 ? splat(NAN) : r;
  return x == INFINITY ? x : (x != x ? x : r);
}
static inline V v_softplus(V x) {
  if constexpr (!is_float) return lanewise(x, [](REAL v) { return (v > 0 ? v : 0) + std::log1p(std::exp(-std::fabs(v))) + (v - v == 0 ? 0 : (v != v ? v : 0)); });
  V e = exp_within(at_least(-v_abs(x), -104)), u = e + 1.f;
  V d = u - 1.f;
  V l = d == 0 ? e : v_log(u) * (e / (d == 0 ? splat(1.f) : d));  // log1p(e) with the rounding of 1 + e undone
  return v_relu(x) + l;
}
