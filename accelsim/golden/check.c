/* Checks golden vectors of accelsim: recomputes every layer from its files with loops of its own.

   cc -O2 check.c -o check && ./check DIR

   C99 and its library alone. Reads DIR/layers.txt and, of each layer's folder, layer.txt and the .mem files; what they
   hold is described in docs/golden_vectors.md. Exit 0: no difference; 1: differences; 2: files that cannot be read. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH 4096
#define FACTS 96
#define TEXT 256

/* ---- files ------------------------------------------------------------------------------------------------------ */

static const char *folder;
static char keys[FACTS][TEXT], words[FACTS][TEXT];
static int facts;

static void fail(const char *what, const char *where) {
    fprintf(stderr, "check: %s/%s: %s\n", folder, where, what);
    exit(2);
}

static FILE *opened(const char *name) {
    char path[PATH];
    FILE *file;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) fail("path too long", name);
    file = fopen(path, "r");
    if (!file) fail("cannot be read", name);
    return file;
}

static void read_facts(void) {
    FILE *file = opened("layer.txt");
    for (facts = 0; facts < FACTS && fscanf(file, "%255s %255[^\n]", keys[facts], words[facts]) == 2; facts++) {}
    fclose(file);
}

static const char *word(const char *key) {
    for (int i = 0; i < facts; i++)
        if (!strcmp(keys[i], key)) return words[i];
    fail("a key is missing", key);
    return "";
}

static int64_t number(const char *key) { return strtoll(word(key), NULL, 10); }
static int is(const char *key, const char *value) { return !strcmp(word(key), value); }

static void *room(size_t count, size_t size) {
    void *made = calloc(count ? count : 1, size);
    if (!made) { fprintf(stderr, "check: out of memory\n"); exit(2); }
    return made;
}

/* The number of 64 bits or fewer, without a cast that C leaves open. */
static int64_t twos_complement(uint64_t pattern, int bits) {
    uint64_t half = (uint64_t)1 << (bits - 1);
    return pattern < half ? (int64_t)pattern : -(int64_t)(2 * (half - 1) + 1 - pattern) - 1;
}

/* The number of `bits` stored bits. */
static int64_t decoded(uint64_t pattern, int bits, const char *coding) {
    if (!strcmp(coding, "sign")) return pattern ? 1 : -1;
    if (!strcmp(coding, "unsigned")) return (int64_t)pattern;
    return twos_complement(pattern, bits);
}

static int digit(int c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `count` words, each of `parts` parts of `bits` bits, the first part in the lowest bits. */
static int64_t *memory(const char *name, size_t count, size_t parts, int bits, const char *coding) {
    FILE *file = opened(name);
    size_t digits = (parts * (size_t)bits + 3) / 4;
    int64_t *made = room(count * parts, sizeof *made);
    int *line = room(digits, sizeof *line), c;
    for (size_t i = 0; i < count; i++) {
        for (size_t d = digits; d-- > 0;)
            if ((line[d] = digit(fgetc(file))) < 0) fail("too short, or no hexadecimal", name);
        if (fgetc(file) != '\n') fail("a word of another width", name);
        for (size_t p = 0; p < parts; p++) {
            uint64_t pattern = 0;
            for (int b = 0; b < bits; b++) {
                size_t at = p * (size_t)bits + (size_t)b;
                pattern |= (uint64_t)(line[at / 4] >> at % 4 & 1) << b;
            }
            made[i * parts + p] = decoded(pattern, bits, coding);
        }
    }
    while ((c = fgetc(file)) != EOF)
        if (c != '\n') fail("longer than expected", name);
    free(line);
    fclose(file);
    return made;
}

static int64_t *plain(const char *name, size_t count, int64_t bits, const char *coding) {
    return memory(name, count, 1, (int)bits, coding);
}

/* ---- whole numbers of 128 bits ---------------------------------------------------------------------------------- */

typedef struct { uint32_t limb[4]; } wide; /* two's complement, lowest limb first */

static wide wide_of(int64_t value) {
    uint32_t sign = value < 0 ? UINT32_MAX : 0;
    wide made = {{(uint32_t)(uint64_t)value, (uint32_t)((uint64_t)value >> 32), sign, sign}};
    return made;
}

static int negative(wide a) { return (int)(a.limb[3] >> 31); }

static wide plus(wide a, wide b) {
    uint64_t carry = 0;
    for (int i = 0; i < 4; i++) {
        carry += (uint64_t)a.limb[i] + b.limb[i];
        a.limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return a;
}

static wide negated(wide a) {
    for (int i = 0; i < 4; i++) a.limb[i] = ~a.limb[i];
    return plus(a, wide_of(1));
}

static wide times(wide a, int64_t factor) {
    uint32_t size = (uint32_t)(factor < 0 ? -factor : factor);
    uint64_t carry = 0;
    for (int i = 0; i < 4; i++) {
        carry += (uint64_t)a.limb[i] * size;
        a.limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return factor < 0 ? negated(a) : a;
}

static int bit(wide a, int at) { return (int)(a.limb[at / 32] >> at % 32 & 1); }

/* a * 2**-shift, rounded; a negative shift is exact. */
static wide shifted(wide a, int shift, const char *rounding) {
    wide made = {{0, 0, 0, 0}};
    int half, rest = 0, up;
    for (int i = 0; i < 128; i++) {
        int from = i + shift;
        uint32_t one = from < 0 ? 0 : (uint32_t)(from > 127 ? negative(a) : bit(a, from));
        made.limb[i / 32] |= one << i % 32;
    }
    if (shift <= 0) return made;
    half = bit(a, shift - 1);
    for (int i = 0; i < shift - 1; i++) rest |= bit(a, i);
    if (!strcmp(rounding, "trn")) up = 0;
    else if (!strcmp(rounding, "trn_zero")) up = negative(a) && (half || rest);
    else if (!strcmp(rounding, "rnd")) up = half;
    else if (!strcmp(rounding, "rnd_min_inf")) up = half && rest;
    else if (!strcmp(rounding, "rnd_inf")) up = half && (rest || !negative(a));
    else if (!strcmp(rounding, "rnd_zero")) up = half && (rest || negative(a));
    else up = half && (rest || bit(made, 0)); /* rnd_conv */
    return plus(made, wide_of(up));
}

static int64_t low_bits(uint64_t pattern, int bits) {
    return twos_complement(pattern & (((uint64_t)1 << bits) - 1), bits);
}

/* What a format of `bits` bits (48 or fewer) holds of a number. */
static int64_t held(wide a, int bits, const char *overflow) {
    int64_t high = ((int64_t)1 << (bits - 1)) - 1, low = !strcmp(overflow, "sat_sym") ? -high : -high - 1, value;
    uint64_t pattern = (uint64_t)a.limb[1] << 32 | a.limb[0];
    uint32_t sign = a.limb[1] >> 31 ? UINT32_MAX : 0;
    if (!strcmp(overflow, "wrap")) return low_bits(pattern, bits);
    if (a.limb[2] != sign || a.limb[3] != sign) value = negative(a) ? INT64_MIN : INT64_MAX;
    else value = twos_complement(pattern, 64);
    if (!strcmp(overflow, "sat_zero")) return value < low || value > high ? 0 : value;
    return value < low ? low : value > high ? high : value;
}

/* ---- one layer -------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t images, in_channels, out_channels, groups, in_rows, in_columns, out_rows, out_columns;
    int64_t kernel_rows, kernel_columns, stride_rows, stride_columns, dilation_rows, dilation_columns;
    int64_t offset_rows, offset_columns, each_in, each_out, taps;
} geometry;

static geometry read_geometry(void) {
    geometry g = {
        number("images"), number("in_channels"), number("out_channels"), number("groups"),
        number("in_rows"), number("in_columns"), number("out_rows"), number("out_columns"),
        number("kernel_rows"), number("kernel_columns"), number("stride_rows"), number("stride_columns"),
        number("dilation_rows"), number("dilation_columns"), number("offset_rows"), number("offset_columns"), 0, 0, 0,
    };
    g.each_in = g.in_channels / g.groups;
    g.each_out = g.out_channels / g.groups;
    g.taps = g.kernel_rows * g.kernel_columns;
    return g;
}

/* Which input row (or column) a tap brings to an output row; -1 for none. */
static int64_t read_at(int64_t out, int64_t tap, int64_t stride, int64_t dilation, int64_t offset, int64_t size) {
    int64_t at;
    if (is("operator", "transposed_convolution")) {
        at = out + offset - tap * dilation;
        if (at < 0 || at % stride) return -1;
        at /= stride;
    } else at = out * stride + tap * dilation - offset;
    return at >= 0 && at < size ? at : -1;
}

/* One accumulator; `x` is the image, `w` the factors [output channel, tap, input channel of the group]. */
static int64_t summed(const geometry *g, const int64_t *x, const int64_t *w, int64_t bias, int64_t channel,
                      int64_t row, int64_t column, int64_t zero, int64_t tree, int bits, const char *overflow) {
    int falls = is("operator", "transposed_convolution"), wraps = !strcmp(overflow, "wrap");
    int64_t first = channel / g->each_out * g->each_in, sum = held(wide_of(bias), bits, overflow);
    for (int64_t step = 0; step < g->taps; step++) {
        int64_t tap = falls ? g->taps - 1 - step : step;
        int64_t y = read_at(row, tap / g->kernel_columns, g->stride_rows, g->dilation_rows, g->offset_rows, g->in_rows);
        int64_t z = read_at(column, tap % g->kernel_columns, g->stride_columns, g->dilation_columns, g->offset_columns,
                            g->in_columns);
        const int64_t *factors = w + (channel * g->taps + tap) * g->each_in;
        if (y < 0 || z < 0) continue;
        for (int64_t begin = 0; begin < g->each_in; begin += tree) {
            int64_t end = begin + tree < g->each_in ? begin + tree : g->each_in;
            for (int64_t i = begin; i < end; i++)
                sum += (x[((first + i) * g->in_rows + y) * g->in_columns + z] - zero) * factors[i];
            if (!wraps) sum = held(wide_of(sum), bits, overflow);
        }
    }
    return held(wide_of(sum), bits, overflow);
}

static double to_even(double value) { /* to the nearest whole number, for sizes below 2**52 */
    double large = 4503599627370496.0, size = value < 0 ? -value : value, near;
    if (size >= large) return value;
    near = (double)(int64_t)size;
    if (size - near > 0.5 || (size - near == 0.5 && (int64_t)near % 2)) near += 1;
    return value < 0 ? -near : near;
}

/* Code of a number that is a whole one, at most 2**126 in size. */
static int64_t landed(wide value, const char *prefix) {
    char key[TEXT], overflow[TEXT];
    int64_t code, low, high, zero, bits;
    snprintf(key, sizeof key, "%s_coding", prefix);
    if (is(key, "sign")) return negative(value) ? -1 : 1;
    snprintf(key, sizeof key, "%s_overflow", prefix); snprintf(overflow, sizeof overflow, "%s", word(key));
    snprintf(key, sizeof key, "%s_zero_point", prefix); zero = number(key);
    snprintf(key, sizeof key, "%s_bits", prefix); bits = number(key);
    snprintf(key, sizeof key, "%s_low", prefix); low = number(key);
    snprintf(key, sizeof key, "%s_high", prefix); high = number(key);
    code = held(plus(value, wide_of(zero)), (int)bits, overflow);
    return code < low ? low : code > high ? high : code;
}

static int64_t landed_float(int64_t sum, uint32_t pattern) {
    float factor, single = (float)sum;
    volatile float product;
    double code;
    int64_t low = number("result_low"), high = number("result_high");
    memcpy(&factor, &pattern, sizeof factor);
    product = single * factor;
    code = to_even(product) + (double)number("result_zero_point");
    return code < (double)low ? low : code > (double)high ? high : (int64_t)code;
}

static wide scaled(int64_t sum, int64_t multiplier, int64_t shift) {
    if (is("scale", "double")) {
        int64_t left = shift < 31 ? 31 - shift : 0, right = shift > 31 ? shift - 31 : 0;
        wide product = times(shifted(wide_of(sum), -(int)left, "trn"), multiplier);
        return shifted(shifted(product, 31, "rnd"), (int)right, "rnd_inf");
    }
    return shifted(times(wide_of(sum), multiplier), (int)shift, word("result_rounding"));
}

/* The stored code of a code that the sums land on. */
static int64_t activated(int64_t code, const int64_t *table) {
    int64_t offset, index, part, spacing, line;
    if (is("activation", "none")) return code;
    offset = code - number("table_origin");
    if (is("activation", "table")) return table[offset];
    spacing = number("table_spacing");
    index = offset >> spacing;
    part = offset - (index << spacing);
    line = table[index] * ((int64_t)1 << spacing) + (table[index + 1] - table[index]) * part;
    return landed(shifted(wide_of(line), (int)(spacing + number("table_guard_bits")), word("output_rounding")),
                  "output");
}

typedef struct { int64_t *multiplier, *shift; } factors;

static factors read_factors(const char *prefix, size_t channels) {
    char name[TEXT];
    factors made;
    snprintf(name, sizeof name, "%smultiplier.mem", prefix);
    made.multiplier = plain(name, channels, 32, "signed");
    snprintf(name, sizeof name, "%sshift.mem", prefix);
    made.shift = plain(name, channels, 8, "signed");
    return made;
}

static int64_t differences;

static void compare(const char *what, size_t at, int64_t ours, int64_t theirs) {
    if (ours == theirs) return;
    if (!differences++)
        printf("%s: %s %lu is %lld in the file, %lld by the checker\n", word("name"), what, (unsigned long)at,
               (long long)theirs, (long long)ours);
}

/* Weights [output channel, tap, input channel] from the packed words; they must be those of weights.mem. */
static int64_t *read_weights(const geometry *g) {
    size_t count = (size_t)(g->out_channels * g->each_in * g->taps), each = (size_t)g->each_in, taps = (size_t)g->taps;
    int bits = (int)number("weight_bits");
    int64_t *packed = memory("weights_packed.mem", count / each, each, bits, word("weight_coding"));
    int64_t *codes = plain("weights.mem", count, bits, word("weight_coding"));
    int64_t *others = number("factor_bits") ? plain("factors.mem", count, number("factor_bits"), "signed") : NULL;
    for (size_t i = 0; i < count; i++) {
        size_t from = (i / (each * taps) * each + i % each) * taps + i / each % taps;
        compare("packed weight", i, packed[i], codes[from]);
        if (others) packed[i] = others[from];
    }
    free(codes);
    free(others);
    return packed;
}

static int64_t check_layer(void) {
    read_facts();
    geometry g = read_geometry();
    const char *overflow = word("accumulator_overflow");
    int bits = (int)number("accumulator_bits");
    size_t channels = (size_t)g.out_channels, pixels = (size_t)(g.out_rows * g.out_columns);
    size_t image = (size_t)(g.in_channels * g.in_rows * g.in_columns), outputs = (size_t)g.images * channels * pixels;
    int64_t tree = number("tree"), zero = number("input_zero_point");
    differences = 0;
    int64_t *weights = read_weights(&g);
    int64_t *inputs = plain("inputs.mem", (size_t)g.images * image, number("input_bits"), word("input_coding"));
    int64_t *bias = plain("bias.mem", channels, bits, "signed");
    int64_t *sums = plain("accumulators.mem", outputs, bits, "signed");
    int64_t *codes = plain("outputs.mem", outputs, number("output_bits"), word("output_coding"));
    int64_t *before = NULL, *table = NULL, *real = NULL;
    factors above = {NULL, NULL}, below = {NULL, NULL};
    if (!is("activation", "none")) {
        int knots = is("activation", "knots");
        before = plain("landed.mem", outputs, number("result_bits"), word("result_coding"));
        table = plain("table.mem", (size_t)number("table_entries"), knots ? 32 : number("output_bits"),
                      knots ? "signed" : word("output_coding"));
    }
    if (is("scale", "float")) real = plain("factor.mem", channels, 32, "unsigned");
    else if (is("scale", "slopes")) {
        above = read_factors("positive_", channels);
        below = read_factors("negative_", channels);
    } else if (!is("scale", "sign")) above = read_factors("", channels);
    for (size_t i = 0; i < outputs; i++) {
        size_t channel = i / pixels % channels;
        int64_t sum = summed(&g, inputs + i / (pixels * channels) * image, weights, bias[channel], (int64_t)channel,
                             (int64_t)(i % pixels) / g.out_columns, (int64_t)(i % pixels) % g.out_columns, zero, tree,
                             bits, overflow);
        factors by = is("scale", "slopes") && sum < 0 ? below : above;
        int64_t code;
        if (real) code = landed_float(sum, (uint32_t)real[channel]);
        else if (is("scale", "sign")) code = landed(wide_of(sum), "result");
        else code = landed(scaled(sum, by.multiplier[channel], by.shift[channel]), "result");
        compare("accumulator", i, sum, sums[i]);
        if (before) compare("landed code", i, code, before[i]);
        compare("output", i, activated(code, table), codes[i]);
    }
    printf("%s: %lu outputs, %lld differences\n", word("name"), (unsigned long)outputs, (long long)differences);
    free(weights); free(inputs); free(bias); free(sums); free(codes); free(before); free(table); free(real);
    free(above.multiplier); free(above.shift); free(below.multiplier); free(below.shift);
    return differences;
}

int main(int argc, char **argv) {
    const char *top = argc > 1 ? argv[1] : ".";
    char name[TEXT], path[PATH];
    int64_t all = 0, count = 0;
    FILE *layers;
    folder = top;
    layers = opened("layers.txt");
    while (fscanf(layers, "%255[^\n]%*c", name) == 1) {
        if (snprintf(path, sizeof path, "%s/%s", top, name) >= (int)sizeof path) fail("path too long", name);
        folder = path;
        all += check_layer();
        count++;
    }
    fclose(layers);
    folder = top;
    if (!count) fail("names no layer", "layers.txt");
    return all != 0;
}
