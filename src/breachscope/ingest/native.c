/* The inner loops of reading, for breachscope.ingest.native.
 *
 * Attackers write these bytes. So nothing is allocated here, nothing outside of what the caller gave is read or written, and
 * loops end with their text. What the tables of a program may hold is checked where they are made (ingest/onepass.py).
 */
#include <stdint.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAS_AVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt"))
#define AVX2 __attribute__((target("avx2,popcnt")))
#endif
#if defined(__GLIBC__) && defined(__x86_64__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("default", "avx2"))) /* the loader takes the one that the processor knows */
#else
#define WIDE
#endif

enum kind { TEXT, TOLD, ADDRESS, NUMBER, RUN, PLACE, FEW };
enum syntax { EXPRESSION, OBJECT, PAIRS, SPACED, PARTED };
enum ahead { STEP, STAY, CHAIN, LEAP };
#define MOST_SET 12 /* onepass.py knows it, too */
#define WORD 32 /* bytes that are looked at in one go */

/* What a step does, and what follows it, if many bytes can be passed in one go: a stay in one state, a chain of fields that nobody
 * wants, or a leap over bytes that must all be there, if there are any, and into the stay behind them. But for those of a leap
 * all is in 64 bytes, a line of the cache. */
typedef struct {
    int16_t slots[MOST_SET];         /* that are set to the place, -1 behind the last */
    int32_t kind;                    /* enum ahead */
    int32_t first;                   /* of a chain: the link of its field; of a leap: the row behind it */
    int32_t count;                   /* of a chain: separators that may be passed; of a leap: bytes */
    int32_t separator;               /* of a chain */
    int32_t inside;                  /* of a leap: the row of the stay */
    int32_t slot;                    /* of a leap: what is set to the place where the stay begins, -1 for none */
    uint8_t leaves[16];              /* bytes of ASCII that end a stay or a chain: bit h of the l-th one is for byte 16 h + l */
    uint8_t lows[WORD], highs[WORD]; /* of a leap: between which each byte must be; any byte where it is over */
} action_t;

typedef struct {
    const uint8_t *classes;  /* byte -> class */
    const uint32_t *steps;   /* row + class -> row of the next state | action << ROW_BITS, or NO_STEP */
    const int16_t *final;    /* state -> action at the end of the text, -1 where it must not end */
    const action_t *actions;
    const uint32_t *links;   /* 2 * link -> row at the begin of a field, and behind another byte of that field */
    int64_t class_count;
    int64_t is_whole;
    int64_t is_ascii; /* what stands beyond ASCII is not known to it, so it must not end before that */
    int64_t is_exact; /* what it refuses and is ASCII, its expression refuses too */
} program_t;

/* Keys that are wanted of JSON objects, or of key=value pairs. Node 0 is the text as a whole. */
typedef struct {
    const uint8_t *names;    /* of all keys, one behind the other */
    const int32_t *begins;   /* node -> its name among them; -1 for an element of an array */
    const int32_t *lengths;  /* node -> how long its name is, or the element's number from 0; LAST for the last one */
    const int32_t *children; /* node -> its first child, 0 for none */
    const int32_t *siblings; /* node -> the next child of the same node, 0 for none */
    const int32_t *slots;    /* node -> the slot of its value, -1 where that is not wanted */
    const uint8_t *gaps;     /* byte -> whether it sets pairs apart */
    uint8_t *arena;          /* room for texts without their escapes, as large as the data */
    int64_t without;         /* a byte that no text of pairs may hold, -1 for none */
    int64_t used;            /* of the arena */
} keys_t;

typedef struct {
    int64_t kind;
    const int32_t *slots; /* of a value's begin; its end is in the next one. The first of these that says something counts. */
    int64_t slot_count;
    int64_t most;     /* the largest number */
    int64_t width;    /* bytes of a number */
    void *values;     /* views (16 bytes), numbers, of runs which run (uint32), of places begins and ends (int64 pairs) */
    uint64_t *views;  /* of runs: the views of their texts */
    uint8_t *valid;   /* bitmap, zero at first */
    uint8_t *marked;  /* of addresses: bytes, set where it is none that is spelt as usual */
    uint8_t *texts;   /* of texts: room for LONGEST_BESIDE bytes of each, for those who read one column behind the other */
    int64_t used;     /* of texts */
    int64_t missing;  /* out: values that are not valid */
    int64_t count;    /* out: runs, or marked addresses */
} column_t;

#define MOST_SLOTS 512
#define MOST_PROGRAMS 4
#define MOST_NODES 512
#define MOST_COLUMNS 512
#define REMEMBERED 512 /* texts of columns with few: a power of two */
#define MOST_DEPTH 64
#define MOST_KEYS 128
#define LAST -1
#define DAY_CHARS 7
#define NO_STEP 0xFFFFFFFFu
#define ROW_BITS 20
#define ROWS ((1u << ROW_BITS) - 1)
#define INLINE 12
#define BESIDE 2 /* the buffer of a column's own texts */
#define LONGEST_BESIDE 64 /* native.py knows it, too */
#define AHEAD 16
#define UNNAMED -1 /* a separator that its text does not name: a tab, or what rsyslog writes for one; native.py knows it, too */
#define RELAYED_TAB "#011"
#define REPLACED 0x1F /* pairs.py puts another character in its place, as it marks separators so */
#define NUMBER_DIGITS 18
#define MOST_EXACT (INT64_C(1) << 52) /* doubles tell such decimal numbers apart, wherever their point is */
#define PLAIN_ZEROS 5                 /* behind the point; below a millionth there is an exponent */
#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

static uint64_t word_at(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

/* Which byte of a word, in the order of memory, holds the lowest of some bits. */
static int64_t first_byte(uint64_t bits) { return __builtin_ctzll(bits) >> 3; }

/* Whether a byte ends a stay or a chain, as those beyond ASCII always do. */
static int is_leaving(const action_t *ahead, uint8_t byte) { return byte >= 0x80 || (ahead->leaves[byte & 15] >> (byte >> 4) & 1); }

/* The first byte from at on that ends the stay, or end. */
static const uint8_t *stay(const action_t *ahead, const uint8_t *at, const uint8_t *end) {
    while (at < end && !is_leaving(ahead, *at)) at++;
    return at;
}

/* Go through fields, up to the separator that must not be passed or a byte that ends the chain; passed becomes how many separators were. */
static const uint8_t *pass_fields(const action_t *ahead, const uint8_t *at, const uint8_t *end, int32_t *passed) {
    for (; at < end && !is_leaving(ahead, *at); at++)
        if (*at == ahead->separator && (*passed)++ == ahead->count) {
            (*passed)--;
            break;
        }
    return at;
}

/* Whether there are the bytes that a leap goes over. */
static int can_leap(const action_t *ahead, const uint8_t *at, const uint8_t *end) {
    if (end - at < ahead->count) return 0;
    for (int32_t n = 0; n < ahead->count; n++)
        if (at[n] < ahead->lows[n] || at[n] > ahead->highs[n]) return 0;
    return 1;
}

#ifdef AVX2
/* The same, a word at a time, as long as the word is known to be within the data: up to last. */
AVX2 static inline __m256i word_of(const uint8_t *at) { return _mm256_loadu_si256((const __m256i *)at); }

/* Which bytes of a word end a stay or a chain, as bits: their halves are looked up, as there are but 16 of each. */
AVX2 static inline uint32_t leaving(const action_t *ahead, __m256i word) {
    const __m256i bits = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m256i sets = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)ahead->leaves));
    const __m256i high = _mm256_shuffle_epi8(bits, _mm256_and_si256(_mm256_srli_epi16(word, 4), _mm256_set1_epi8(15)));
    const __m256i stays = _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(sets, word), high), _mm256_setzero_si256());
    return ~(uint32_t)_mm256_movemask_epi8(stays) | (uint32_t)_mm256_movemask_epi8(word);
}

AVX2 static inline const uint8_t *stay_wide(const action_t *ahead, const uint8_t *at, const uint8_t *end, const uint8_t *last) {
    for (; at < end && at <= last; at += WORD) {
        const uint32_t stops = leaving(ahead, word_of(at));
        if (stops) {
            at += __builtin_ctz(stops);
            return at < end ? at : end;
        }
    }
    return at < end ? stay(ahead, at, end) : end;
}

AVX2 static inline const uint8_t *pass_fields_wide(const action_t *ahead, const uint8_t *at, const uint8_t *end, const uint8_t *last, int32_t *passed) {
    for (; at < end && at <= last; at += WORD) {
        const __m256i word = word_of(at);
        uint32_t stops = leaving(ahead, word);
        uint32_t separators = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(word, _mm256_set1_epi8((char)ahead->separator)));
        if (end - at < WORD) stops |= ~0u << (end - at);
        if (stops) separators &= (stops & -stops) - 1;
        const int32_t count = __builtin_popcount(separators);
        if (*passed + count > ahead->count) {
            for (; *passed < ahead->count; (*passed)++) separators &= separators - 1;
            return at + __builtin_ctz(separators);
        }
        *passed += count;
        if (stops) return at + __builtin_ctz(stops);
    }
    return at < end ? pass_fields(ahead, at, end, passed) : end;
}

AVX2 static inline int can_leap_wide(const action_t *ahead, const uint8_t *at, const uint8_t *end, const uint8_t *last) {
    if (at > last) return can_leap(ahead, at, end);
    const __m256i word = word_of(at), low = _mm256_max_epu8(word, word_of(ahead->lows)), high = _mm256_min_epu8(word, word_of(ahead->highs));
    const __m256i fits = _mm256_and_si256(_mm256_cmpeq_epi8(word, low), _mm256_cmpeq_epi8(word, high));
    return end - at >= ahead->count && _mm256_movemask_epi8(fits) == -1;
}
#else
#define HAS_AVX2 0
#define AVX2
#define stay_wide(ahead, at, end, last) stay(ahead, at, end)
#define pass_fields_wide(ahead, at, end, last, passed) pass_fields(ahead, at, end, passed)
#define can_leap_wide(ahead, at, end, last) can_leap(ahead, at, end)
#endif

/* How the automaton went through a group that neighbours share, such as the time: from the same step the same bytes lead to
 * the same row, so they need not be gone through again. */
typedef struct {
    int64_t slot;         /* of the group; -1 for none */
    const uint8_t *begin; /* what it held in the text before */
    int64_t length;       /* 0 where that cannot be used */
    uint32_t step;        /* the step that entered it */
    uint32_t row;         /* the row behind its last byte */
} shortcut_t;

/* Texts, and where the last word of them begins; NULL where there is none. */
typedef struct {
    const uint8_t *data;
    const uint8_t *last;
} texts_t;

static texts_t texts_of(const uint8_t *data, int64_t size) { return (texts_t){data, size < WORD ? NULL : data + size - WORD}; }

/* A text on its way through a program. held becomes where groups begin and end, and stays for those that take no part. */
typedef struct {
    const uint8_t *at, *end;
    const uint8_t *entry; /* where the group of the shortcut began, while nothing else was noted */
    int64_t *held;
    uint32_t row, entered;
} walk_t;

/* Go on by a byte, or by as many as can be passed with it; 0 where the text or its way ends. */
static inline __attribute__((always_inline)) int go_on(const texts_t *texts, const program_t *program, walk_t *walk, shortcut_t *shortcut, const int is_wide) {
    const uint8_t *at = walk->at, *end = walk->end;
    if (at == end) return 0;
    const uint32_t step = program->steps[walk->row + program->classes[*at]];
    if (step <= ROWS) {
        walk->row = step, walk->at = at + 1;
        return 1;
    }
    if (step == NO_STEP) return 0;
    const action_t *ahead = program->actions + (step >> ROW_BITS);
    const int16_t *slot = ahead->slots;
    if (*slot >= 0) {
        const int64_t entry = shortcut->slot;
        int is_entry = 0;
        for (; *slot >= 0; slot++) {
            walk->held[*slot] = at - texts->data;
            is_entry |= *slot == entry;
        }
        if (is_entry) {
            const int64_t more = shortcut->length - 1;
            if (more > 0 && step == shortcut->step && end - at > more && !memcmp(at, shortcut->begin, (size_t)more + 1)) {
                walk->row = shortcut->row, walk->at = at + more + 1;
                return 1;
            }
            walk->entry = at, walk->entered = step;
        } else if (walk->entry) {
            if (walk->held[shortcut->slot + 1] == at - texts->data)
                *shortcut = (shortcut_t){shortcut->slot, walk->entry, at - walk->entry, walk->entered, walk->row};
            walk->entry = NULL;
        }
    }
    walk->row = step & ROWS;
    at++;
    if (ahead->kind == STAY) {
        at = is_wide ? stay_wide(ahead, at, end, texts->last) : stay(ahead, at, end);
    } else if (ahead->kind == CHAIN) {
        const uint8_t *begun = at;
        int32_t passed = 0;
        at = is_wide ? pass_fields_wide(ahead, at, end, texts->last, &passed) : pass_fields(ahead, at, end, &passed);
        if (at > begun) walk->row = program->links[2 * (ahead->first + passed) + (at[-1] != ahead->separator)];
    } else if (ahead->kind == LEAP && (!ahead->count || (is_wide ? can_leap_wide(ahead, at, end, texts->last) : can_leap(ahead, at, end)))) {
        walk->row = (uint32_t)ahead->first, at += ahead->count;
        const uint8_t *stayed = is_wide ? stay_wide(ahead, at, end, texts->last) : stay(ahead, at, end);
        if (stayed > at && (ahead->slot < 0 || (ahead->slot != shortcut->slot && !walk->entry))) {
            if (ahead->slot >= 0) walk->held[ahead->slot] = at - texts->data;
            walk->row = (uint32_t)ahead->inside, at = stayed;
        }
    }
    walk->at = at;
    return 1;
}

/* Whether a text matches that has come as far as it can. */
static inline __attribute__((always_inline)) int has_matched(const texts_t *texts, const program_t *program, const walk_t *walk) {
    const int16_t done = program->final[walk->row / program->class_count];
    if (done < 0 || (walk->at < walk->end && (program->is_whole || (program->is_ascii && *walk->at >= 0x80)))) return 0;
    for (const int16_t *slot = program->actions[done].slots; *slot >= 0; slot++) walk->held[*slot] = walk->at - texts->data;
    return 1;
}

/* Match two texts; returns which do, as bits. Each step waits for the one before it, so that two ways take little longer than one. */
static inline __attribute__((always_inline)) int match_in(const texts_t *texts, const program_t *program, walk_t one, walk_t other, shortcut_t *shortcut,
                                                          const int is_wide) {
    while (go_on(texts, program, &one, shortcut, is_wide) & go_on(texts, program, &other, shortcut, is_wide));
    while (go_on(texts, program, &one, shortcut, is_wide));
    while (go_on(texts, program, &other, shortcut, is_wide));
    return has_matched(texts, program, &one) | has_matched(texts, program, &other) << 1;
}

typedef int match_t(const texts_t *, const program_t *, walk_t, walk_t, shortcut_t *);

static int match(const texts_t *texts, const program_t *program, walk_t one, walk_t other, shortcut_t *shortcut) {
    return match_in(texts, program, one, other, shortcut, 0);
}

AVX2 static int match_wide(const texts_t *texts, const program_t *program, walk_t one, walk_t other, shortcut_t *shortcut) {
    return match_in(texts, program, one, other, shortcut, 1);
}

static match_t *match_best(void) { return HAS_AVX2 ? match_wide : match; }

/* What keys of the text before led to: writers keep their order, so the n-th key is mostly the same again. */
typedef struct {
    const uint8_t *name;
    int64_t length; /* 0 where nothing is known */
    int32_t parent;
    int32_t node; /* -1 where the key is not wanted */
} memo_t;

typedef struct {
    memo_t memos[MOST_KEYS];
    int64_t seen[MOST_NODES]; /* node -> the text in which it stood last */
    int64_t text;             /* from 1 on */
} memory_t;

static int32_t named(const keys_t *keys, int32_t parent, const uint8_t *name, int64_t length) {
    if (parent < 0) return -1;
    for (int32_t node = keys->children[parent]; node; node = keys->siblings[node])
        if (keys->begins[node] >= 0 && keys->lengths[node] == length && !memcmp(keys->names + keys->begins[node], name, (size_t)length)) return node;
    return -1;
}

/* The node of an array's element. */
static int32_t numbered(const keys_t *keys, int32_t parent, int64_t index) {
    if (parent < 0) return -1;
    for (int32_t node = keys->children[parent]; node; node = keys->siblings[node])
        if (keys->begins[node] < 0 && (keys->lengths[node] == index || keys->lengths[node] == LAST)) return node;
    return -1;
}

/* The n-th key of a text, of which the place of its end is known. */
static int32_t noted(const keys_t *keys, memory_t *memory, int64_t n, int32_t parent, const uint8_t *name, int64_t length) {
    const int32_t node = named(keys, parent, name, length);
    if (n < MOST_KEYS) memory->memos[n] = (memo_t){name, length, parent, node};
    return node;
}

/* Whether the n-th key is the same again, of a text that goes on with the byte behind it. */
static const memo_t *again(const memory_t *memory, int64_t n, int32_t parent, const uint8_t *at, const uint8_t *end, uint8_t behind) {
    if (n >= MOST_KEYS) return NULL;
    const memo_t *memo = memory->memos + n;
    return memo->length && memo->parent == parent && end - at > memo->length && at[memo->length] == behind &&
                   !memcmp(at, memo->name, (size_t)memo->length)
               ? memo
               : NULL;
}

/* Whether a node was seen in this text before; it counts as seen now. */
static int is_repeated(memory_t *memory, int32_t node) {
    if (memory->seen[node] == memory->text) return 1;
    memory->seen[node] = memory->text;
    return 0;
}

/* Where a string ends whose first quote is passed: at its closing quote, at a control character, or at the end of the text. */
static const uint8_t *string_end(const uint8_t *at, const uint8_t *end, int *has_escapes) {
    const uint64_t quotes = ONES * '"', slashes = ONES * '\\';
    for (;;) {
        for (; end - at >= 8; at += 8) {
            const uint64_t word = word_at(at), quote = word ^ quotes, slash = word ^ slashes;
            const uint64_t found = (((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) | ((word - ONES * 0x20) & ~word)) & HIGHS;
            if (found) {
                at += first_byte(found);
                break;
            }
        }
        while (at < end && *at != '"' && *at != '\\' && *at >= 0x20) at++;
        if (end - at < 2 || *at != '\\') return at;
        *has_escapes = 1;
        at += 2;
    }
}

static int32_t hex4(const uint8_t *at) {
    int32_t code = 0;
    for (int n = 0; n < 4; n++) {
        const uint8_t c = at[n], low = c | 0x20;
        if (c >= '0' && c <= '9') code = code << 4 | (c - '0');
        else if (low >= 'a' && low <= 'f') code = code << 4 | (low - 'a' + 10);
        else return -1;
    }
    return code;
}

/* A JSON string without its escapes (RFC 8259 section 7), which is never longer; its length, or -1 where an escape is none. */
static int64_t unescaped(const uint8_t *at, const uint8_t *end, uint8_t *out) {
    const uint8_t *first = out;
    while (at < end) {
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        static const char written[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
        const char *found = memchr(written, at[1], 8);
        if (found) {
            *out++ = (uint8_t)meant[found - written], at += 2;
            continue;
        }
        int32_t code = at[1] == 'u' && end - at >= 6 ? hex4(at + 2) : -1;
        if (code < 0 || (code >= 0xDC00 && code < 0xE000)) return -1;
        at += 6;
        if (code >= 0xD800 && code < 0xDC00) {
            const int32_t low = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? hex4(at + 2) : -1;
            if (low < 0xDC00 || low >= 0xE000) return -1;
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), at += 6;
        }
        if (code < 0x80) *out++ = (uint8_t)code;
        else if (code < 0x800) *out++ = (uint8_t)(0xC0 | code >> 6), *out++ = (uint8_t)(0x80 | (code & 0x3F));
        else if (code < 0x10000)
            *out++ = (uint8_t)(0xE0 | code >> 12), *out++ = (uint8_t)(0x80 | (code >> 6 & 0x3F)), *out++ = (uint8_t)(0x80 | (code & 0x3F));
        else
            *out++ = (uint8_t)(0xF0 | code >> 18), *out++ = (uint8_t)(0x80 | (code >> 12 & 0x3F)),
            *out++ = (uint8_t)(0x80 | (code >> 6 & 0x3F)), *out++ = (uint8_t)(0x80 | (code & 0x3F));
    }
    return out - first;
}

static const uint8_t *digits_end(const uint8_t *at, const uint8_t *end) {
    while (at < end && *at >= '0' && *at <= '9') at++;
    return at;
}

/* Where the text of a JSON number with a fraction ends for those who read it as a double (IEEE 754) and write the shortest
 * text that is the same double: before zeros that say nothing. NULL where they would round it, or write an exponent. */
static const uint8_t *shortest_end(const uint8_t *at, const uint8_t *dot, const uint8_t *end) {
    at += *at == '-';
    while (end - dot > 2 && end[-1] == '0') end--;
    int64_t number = 0;
    for (const uint8_t *digit = at; digit < end; digit++) {
        if (digit != dot) number = number * 10 + (*digit - '0');
        if (number >= MOST_EXACT) return NULL;
    }
    const uint8_t *zeros = dot + 1;
    while (zeros < end && *zeros == '0') zeros++;
    return *at == '0' && number && zeros - dot > PLAIN_ZEROS + 1 ? NULL : end;
}

/* Where a JSON number ends (RFC 8259 section 6), NULL where none stands there or one that others would write in another way:
 * with an exponent, or -0; also one with a fraction, where its text is to be kept within a larger one. */
static const uint8_t *number_end(const uint8_t *at, const uint8_t *end, int is_kept) {
    const uint8_t *first = at;
    at += *at == '-';
    const uint8_t *whole = digits_end(at, end);
    if (whole == at || (*at == '0' && whole - at > 1)) return NULL;
    if (whole < end && *whole == '.') {
        at = digits_end(whole + 1, end);
        return at == whole + 1 || is_kept || (at < end && (*at | 0x20) == 'e') ? NULL : at;
    }
    return (*first == '-' && *at == '0') || (whole < end && (*whole | 0x20) == 'e') ? NULL : whole;
}

static const uint8_t *literal_end(const uint8_t *at, const uint8_t *end, const char *literal) {
    const int64_t length = (int64_t)strlen(literal);
    return end - at >= length && !memcmp(at, literal, (size_t)length) ? at + length : NULL;
}

typedef struct {
    int32_t node;
    int32_t slot;  /* of its own text, -1 where that is not wanted */
    int64_t index; /* of the element it is at; -1 in an object */
} level_t;

/* Whether a JSON object stands there and nothing else, written as everybody writes it; others are left to a reader that knows
 * them all. Of a key that stands twice the first counts. */
static int match_object(const uint8_t *data, int64_t size, const uint8_t *at, const uint8_t *end, keys_t *keys, int64_t *held, memory_t *memory) {
    level_t levels[MOST_DEPTH];
    int64_t depth = 0, n = 0; /* keys so far */
    int kept = 0;             /* objects and arrays around whose own text is wanted */
    int32_t node = 0;         /* of the value that comes next */
    enum { VALUE, FIRST_KEY, KEY, FIRST_VALUE, BEHIND } state = VALUE;
    for (;;) {
        const uint8_t *before = at;
        while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
        if (state == BEHIND && !depth) return at == end;
        if (at == end || (kept && at > before)) return 0;
        level_t *level = levels + (depth ? depth - 1 : 0);
        if (state == BEHIND || ((state == FIRST_KEY || state == FIRST_VALUE) && (*at == '}' || *at == ']'))) {
            if (state == BEHIND && *at == ',') {
                at++;
                if (level->index < 0) state = KEY;
                else node = numbered(keys, level->node, ++level->index), state = VALUE;
                continue;
            }
            if (*at++ != (level->index < 0 ? '}' : ']')) return 0;
            if (level->slot >= 0) held[level->slot + 1] = at - data, kept--;
            depth--, state = BEHIND;
            continue;
        }
        if (state == KEY || state == FIRST_KEY) {
            if (*at++ != '"') return 0;
            const memo_t *memo = again(memory, n, level->node, at, end, '"');
            if (memo) {
                node = memo->node, at += memo->length + 1;
            } else {
                int has_escapes = 0;
                const uint8_t *close = string_end(at, end, &has_escapes);
                if (close == end || *close != '"' || has_escapes) return 0;
                node = noted(keys, memory, n, level->node, at, close - at), at = close + 1;
            }
            n++;
            if (node >= 0 && is_repeated(memory, node)) node = -1;
            if (kept && at < end && *at != ':') return 0;
            while (at < end && (*at == ' ' || *at == '\t')) at++;
            if (at == end || *at++ != ':') return 0;
            state = VALUE;
            continue;
        }
        if (!depth && *at != '{') return 0;
        const int32_t slot = node < 0 ? -1 : keys->slots[node];
        if (slot >= 0) held[slot] = held[slot + 1] = -1; /* of the last element */
        if (*at == '{' || *at == '[') {
            if (depth == MOST_DEPTH) return 0;
            const int is_array = *at == '[';
            if (slot >= 0) held[slot] = at - data, kept++;
            levels[depth++] = (level_t){node, slot, is_array ? 0 : -1};
            if (is_array) node = numbered(keys, node, 0);
            at++, state = is_array ? FIRST_VALUE : FIRST_KEY;
            continue;
        }
        const uint8_t *begin = at, *close;
        if (*at == '"') {
            int has_escapes = 0;
            close = string_end(++begin, end, &has_escapes);
            if (close == end || *close != '"') return 0;
            at = close + 1;
            if (has_escapes) {
                const int64_t length = unescaped(begin, close, keys->arena + keys->used);
                if (length < 0) return 0;
                for (const uint8_t *c = begin; kept && c < close; c += 1 + (*c == '\\'))
                    if (*c == '\\' && (c[1] == 'u' || c[1] == '/')) return 0;
                if (slot >= 0) held[slot] = size + keys->used, held[slot + 1] = held[slot] + length, keys->used += length;
                state = BEHIND;
                continue;
            }
        } else if (*at == '-' || (*at >= '0' && *at <= '9')) {
            at = close = number_end(at, end, kept);
            const uint8_t *dot = slot >= 0 && at ? memchr(begin, '.', (size_t)(at - begin)) : NULL;
            if (dot) close = shortest_end(begin, dot, at);
        } else if (*at == 'n') {
            at = close = literal_end(at, end, "null");
            begin = NULL;
        } else {
            at = close = literal_end(at, end, *at == 't' ? "true" : "false");
        }
        if (!close) return 0;
        if (slot >= 0 && begin) held[slot] = begin - data, held[slot + 1] = close - data;
        state = BEHIND;
    }
}

/* Whether key=value and key="value" pairs stand there that can be read in one way only. */
static int match_pairs(const uint8_t *data, const uint8_t *at, const uint8_t *end, const keys_t *keys, int64_t *held, memory_t *memory) {
    const uint8_t *gaps = keys->gaps, *priority = end - at > 2 && *at == '<' ? digits_end(at + 1, end) : at;
    int64_t n = 0;
    if (keys->without >= 0 && at < end && memchr(at, (int)keys->without, (size_t)(end - at))) return 0;
    if (priority > at + 1 && priority <= at + 4 && priority < end && *priority == '>') at = priority + 1;
    while (at < end) {
        if (gaps[*at]) {
            at++;
            continue;
        }
        int32_t node;
        const memo_t *memo = again(memory, n, 0, at, end, '=');
        if (memo) {
            node = memo->node, at += memo->length;
        } else {
            const uint8_t *name = at;
            while (at < end && !gaps[*at] && *at != '=' && *at != '"' && *at < 0x80) at++;
            if (at == end || gaps[*at]) continue; /* a word */
            if (*at != '=' || at == name) return 0;
            node = noted(keys, memory, n, 0, name, at - name);
        }
        n++;
        const uint8_t *begin = ++at, *close;
        if (at < end && *at == '"') {
            int has_escapes;
            begin = close = at + 1;
            while ((close = string_end(close, end, &has_escapes)) < end && *close != '"')
                if (*close++ == '\\') return 0;
            if (close == end) return 0;
            at = close + 1;
            if (at < end && !gaps[*at]) return 0;
        } else {
            while (at < end && !gaps[*at] && *at != '"' && *at < 0x80) at++;
            if (at < end && !gaps[*at]) return 0;
            close = at;
        }
        if (node < 0) continue;
        if (is_repeated(memory, node)) return 0;
        held[keys->slots[node]] = begin - data, held[keys->slots[node] + 1] = close - data;
    }
    return 1;
}

static int is_in_name(uint8_t byte) {
    const uint8_t low = byte | 0x20;
    return (low >= 'a' && low <= 'z') || (byte >= '0' && byte <= '9') || byte == '_' || byte == '.' || byte == '[' || byte == ']' || byte == '-';
}

/* Whether white space beyond ASCII may begin with this byte: U+0085 and U+00A0, U+1680, U+2000 to U+205F, U+3000 (UTF-8). */
static int may_be_space(uint8_t byte) { return byte == 0xC2 || (byte >= 0xE1 && byte <= 0xE3); }

/* Whether key=value pairs stand there, whose values go up to the white space before the next key, with none at either end. */
static int match_spaced(const uint8_t *data, const uint8_t *at, const uint8_t *end, const keys_t *keys, int64_t *held, memory_t *memory) {
    const uint8_t *gaps = keys->gaps, *gap = at; /* the white space before what stands at at */
    int64_t n = 0, slot = -1;                    /* of the value that is not at its end, -1 where nobody wants it */
    if (at < end && (*at == '<' || (keys->without >= 0 && memchr(at, (int)keys->without, (size_t)(end - at))))) return 0;
    for (;;) {
        while (at < end && gaps[*at]) at++;
        const uint8_t *name = at;
        const memo_t *memo = again(memory, n, 0, at, end, '=');
        if (memo) at += memo->length;
        else
            while (at < end && is_in_name(*at)) at++;
        const int is_key = at > name && at < end && *at == '=';
        if (slot >= 0 && (is_key || name == end)) {
            const uint8_t *begin = data + held[slot];
            while (begin < gap && gaps[*begin]) begin++;
            held[slot] = begin - data, held[slot + 1] = gap - data;
            slot = -1;
        }
        if (name == end) return 1;
        if (is_key) {
            const int32_t node = memo ? memo->node : noted(keys, memory, n, 0, name, at - name);
            n++, at++;
            if (node >= 0) {
                if (is_repeated(memory, node)) return 0;
                slot = keys->slots[node];
                held[slot] = at - data;
            }
        }
        for (;; at++) {
            for (; end - at >= 8; at += 8) {
                const uint64_t word = word_at(at), found = (word | ((word - ONES * 0x21) & ~word)) & HIGHS;
                if (found) {
                    at += first_byte(found);
                    break;
                }
            }
            if (at == end || gaps[*at]) break;
            if (may_be_space(*at)) return 0;
        }
        gap = at;
    }
}

/* Where a part ends: at the next separator, or at the end of the text. */
static const uint8_t *part_end(const uint8_t *at, const uint8_t *end, const char *separator, int64_t width) {
    while (end - at >= width) {
        const uint8_t *found = memchr(at, separator[0], (size_t)(end - at - width + 1));
        if (!found || !memcmp(found, separator, (size_t)width)) return found ? found : end;
        at = found + 1;
    }
    return end;
}

/* Whether key=value pairs stand there that nothing but a separator sets apart: a byte of ASCII, or UNNAMED. */
static int match_parted(const uint8_t *data, const uint8_t *at, const uint8_t *end, int separator, const keys_t *keys, int64_t *held, memory_t *memory) {
    const char named = (char)separator, *mark = separator == UNNAMED ? "\t" : &named;
    int64_t width = 1;
    if (at == end) return 1;
    if (*at == '<' || separator > 0x7F || memchr(at, REPLACED, (size_t)(end - at))) return 0;
    if (keys->without >= 0 && memchr(at, (int)keys->without, (size_t)(end - at))) return 0;
    if (separator == UNNAMED && !memchr(at, '\t', (size_t)(end - at)) && part_end(at, end, RELAYED_TAB, sizeof(RELAYED_TAB) - 1) < end)
        mark = RELAYED_TAB, width = sizeof(RELAYED_TAB) - 1;
    for (int64_t n = 0;; n++) {
        const uint8_t *close = part_end(at, end, mark, width);
        const memo_t *memo = again(memory, n, 0, at, close, '=');
        const uint8_t *equals = memo ? at + memo->length : memchr(at, '=', (size_t)(close - at));
        const int32_t node = memo ? memo->node : equals ? noted(keys, memory, n, 0, at, equals - at) : -1;
        if (node >= 0) {
            if (is_repeated(memory, node)) return 0;
            held[keys->slots[node]] = equals + 1 - data, held[keys->slots[node] + 1] = close - data;
        }
        if (close == end) return 1;
        at = close + width;
    }
}

/* Put a text that its view does not hold to those of its column, if it is not too long; beyond may not be read. There is room for the
 * longest. Addresses fit into their views or not as it comes, so that it is not asked first. */
static void put_beside(uint64_t *view, column_t *column, const uint8_t *from, int64_t length, const uint8_t *beyond) {
    if (length <= INLINE || length > LONGEST_BESIDE) return;
    uint8_t *to = column->texts + column->used;
    if (beyond - from < LONGEST_BESIDE) memcpy(to, from, (size_t)length);
    else if (length <= LONGEST_BESIDE / 2) memcpy(to, from, LONGEST_BESIDE / 2); /* of a known length it is no call */
    else memcpy(to, from, LONGEST_BESIDE);
    view[1] = (uint64_t)column->used << 32 | BESIDE;
    column->used += length;
}

/* Arrow's string view: length, then the text itself or its first four bytes, the buffer and the offset. What begins beyond the
 * data is in the arena, buffer 1. */
static void write_view(uint64_t *view, const uint8_t *data, int64_t size, const uint8_t *arena, int64_t begin, int64_t length) {
    uint64_t words[2] = {0, 0};
    const int64_t kept = length < INLINE ? length : INLINE;
    const uint64_t buffer = begin >= size && arena;
    if (buffer) data = arena, begin -= size;
    if (begin + 16 <= size) {
        words[0] = word_at(data + begin);
        if (kept < 8) words[0] &= (UINT64_C(1) << 8 * kept) - 1;
        else if (kept > 8) words[1] = word_at(data + begin + 8) & ((UINT64_C(1) << 8 * (kept - 8)) - 1);
    } else {
        memcpy(words, data + begin, (size_t)kept);
    }
    view[0] = (uint64_t)length | words[0] << 32;
    view[1] = length > INLINE ? (uint64_t)begin << 32 | buffer : words[0] >> 32 | words[1] << 32;
}

/* The view of a part of a text, whose view is at hand. */
static void part_view(uint64_t *part, const uint64_t *view, const uint8_t *text, int64_t begin, int64_t length) {
    const int64_t kept = length <= INLINE ? length : 4;
    uint64_t words[2] = {0, 0};
    memcpy(words, text + begin, (size_t)kept);
    part[0] = (uint64_t)length | words[0] << 32;
    part[1] = length > INLINE ? view[1] + ((uint64_t)begin << 32) : words[0] >> 32 | words[1] << 32;
}

/* The whole number that stands there, -1 where "-" or the empty text does, -2 for anything else. */
static int64_t number_at(const uint8_t *at, const uint8_t *end) {
    if (at == end || (end - at == 1 && *at == '-')) return -1;
    if (end - at > NUMBER_DIGITS) return -2;
    int64_t number = 0;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') return -2;
        number = number * 10 + (*at - '0');
    }
    return number;
}

/* Whether an IPv4 address stands there in its usual spelling; beyond may not be read. */
static int is_ipv4(const uint8_t *at, const uint8_t *end, const uint8_t *beyond) {
#ifdef __SSE2__
    /* Without a branch, as where the points stand is different each time. A part of n digits, as bytes from the highest on, is a number
     * between two others, for no zero leads it and it is no more than 255. */
    static const uint32_t least[4] = {0xFFFFFFFF, '0', 0x3130, 0x313030};
    const int64_t length = end - at;
    if (length > 15) return 0;
    if (beyond - at >= 20) {
        const __m128i word = _mm_loadu_si128((const __m128i *)at), tens = _mm_sub_epi8(word, _mm_set1_epi8('0'));
        const uint32_t within = (1u << length) - 1, points = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(word, _mm_set1_epi8('.'))) & within;
        const uint32_t others = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(tens, _mm_set1_epi8(9)), tens)) ^ within;
        uint32_t left = points | 1u << length, begin = 0, are_parts = (others & within) == points;
        for (int part = 0; part < 4; part++, left &= left - 1) {
            const uint32_t close = left ? (uint32_t)__builtin_ctz(left) : begin, digits = close - begin;
            uint32_t number;
            memcpy(&number, at + begin, 4);
            number = __builtin_bswap32(number) >> (32 - 8 * (digits & 3)) % 32;
            are_parts &= (digits < 4) & (number >= least[digits & 3]) & (number <= 0x323535);
            begin = close + 1;
        }
        return are_parts && !left;
    }
#endif
    (void)beyond;
    int parts = 1, digits = 0, number = 0;
    for (; at < end; at++) {
        if (*at == '.') {
            if (!digits) return 0;
            parts++, digits = number = 0;
        } else {
            if (*at < '0' || *at > '9' || (digits && !number)) return 0;
            number = number * 10 + (*at - '0'), digits++;
            if (number > 255) return 0;
        }
    }
    return parts == 4 && digits;
}

/* Short texts that stand for none, as views, and with which bytes they begin, 0 for the empty one: most others do not. */
typedef struct {
    const uint64_t *views;
    int64_t count;
    uint8_t begins[256];
} nulls_t;

static int is_null(const uint64_t *view, const nulls_t *nulls) {
    if (!nulls->begins[view[0] >> 32 & 0xFF]) return 0;
    for (int64_t n = 0; n < nulls->count; n++)
        if (view[0] == nulls->views[2 * n] && view[1] == nulls->views[2 * n + 1]) return 1;
    return 0;
}

static void set_valid(column_t *column, int64_t row, int is_valid) {
    column->valid[row >> 3] |= (uint8_t)(!!is_valid << (row & 7));
    column->missing += !is_valid;
}

/* A column's value in one text. */
typedef struct {
    int64_t begin, end;
    const uint8_t *from; /* where it begins; of no meaning where begin is -1 */
    int64_t number;      /* -1 for none */
} taken_t;

/* The slot of a column's value: the first that is there, or says something. */
static int64_t chosen(const column_t *column, const int64_t *held, const uint8_t *data, int64_t size, const uint8_t *arena,
                      const nulls_t *nulls) {
    for (int64_t n = 0; n < column->slot_count - 1; n++) {
        const int64_t begin = held[column->slots[n]];
        uint64_t view[2];
        if (begin < 0) continue;
        if (column->kind == TEXT) return column->slots[n];
        write_view(view, data, size, arena, begin, held[column->slots[n] + 1] - begin);
        if (!is_null(view, nulls)) return column->slots[n];
    }
    return column->slots[column->slot_count - 1];
}

static int is_ascii(const uint8_t *at, const uint8_t *end) {
    uint64_t bits = 0;
    for (; end - at >= 8; at += 8) bits |= word_at(at);
    for (; at < end; at++) bits |= (uint64_t)*at;
    return !(bits & HIGHS);
}

/* Match two texts, or the last one, each by the first of some programs that does, as long as those before it surely do not; returns which
 * match, as bits. held has room for what the groups of each hold, and of none. */
static int match_first(match_t *match_two, const texts_t *texts, const int64_t *starts, const int64_t *ends, int64_t count, const program_t *programs,
                       int64_t program_count, int64_t slot_count, int64_t held[][MOST_SLOTS], shortcut_t *shortcuts) {
    int matched = 0, open = count > 1 ? 3 : 1;
    for (int64_t p = 0; p < program_count && open; p++) {
        walk_t walks[2];
        for (int n = 0; n < 2; n++) {
            const int is_open = open >> n & 1;
            const uint8_t *end = texts->data + ends[is_open ? n : 0];
            walks[n] = (walk_t){is_open ? texts->data + starts[n] : end, end, NULL, held[is_open ? n : 2], 0, 0};
            for (int64_t slot = 0; is_open && slot < slot_count; slot++) held[n][slot] = -1;
        }
        matched |= match_two(texts, programs + p, walks[0], walks[1], shortcuts + p) & open;
        open &= programs[p].is_exact ? ~matched : 0;
        for (int n = 0; n < 2 && p + 1 < program_count; n++)
            if (open >> n & 1 && !is_ascii(texts->data + starts[n], texts->data + ends[n])) open &= ~(1 << n);
    }
    return matched;
}

/* A text of a column that holds few different ones, and its number there. */
typedef struct {
    const uint8_t *from;
    uint64_t view[2];
    int64_t key; /* of the column; 0: nothing is remembered here */
    uint32_t number;
} few_t;

/* Where a text with this view is remembered for a column; what else was remembered there is forgotten. */
static few_t *remembered(few_t *few, int64_t key, const uint8_t *from, int64_t length, const uint64_t *view) {
    const uint64_t tail = length > INLINE ? word_at(from + length - 8) : view[1];
    const uint64_t mixed = ((view[0] ^ (uint64_t)key << 24) * UINT64_C(0x9E3779B97F4A7C15) ^ tail) * UINT64_C(0xBF58476D1CE4E5B9);
    few_t *found = few + (mixed >> 48) % REMEMBERED;
    if (found->key != key || found->view[0] != view[0] || (length > INLINE ? memcmp(found->from, from, (size_t)length) != 0 : found->view[1] != view[1]))
        found->key = 0;
    return found;
}

/* Match texts, and make columns of what the reader's groups or keys hold; several programs have their slots in common. Returns how
 * many match and have numbers that are numbers; texts becomes which, and at its end, backwards, those of which a number is none.
 * escaped becomes which of those that match hold the byte escape in a column, zero at first; it is NULL where nobody asks. separators are those of each text. */
int64_t breachscope_catch(const uint8_t *data, int64_t size, const int64_t *starts, const int64_t *ends, int64_t count,
                          int64_t syntax, void *reader, int64_t program_count, int64_t slot_count, column_t *columns, int64_t column_count,
                          const uint64_t *null_views, int64_t null_count, int escape, uint8_t *escaped, const int16_t *separators, int32_t *texts,
                          int64_t *refused) {
    int64_t lanes[3][MOST_SLOTS], run_begin[MOST_COLUMNS], run_end[MOST_COLUMNS], matched = 0;
    int are_matched = 0;
    keys_t *keys = syntax == EXPRESSION ? NULL : reader;
    const uint8_t *arena = keys ? keys->arena : NULL;
    shortcut_t shortcuts[MOST_PROGRAMS];
    memory_t memory = {0};
    taken_t taken[MOST_COLUMNS];
    few_t few[REMEMBERED];
    nulls_t nulls = {null_views, null_count, {0}};
    const texts_t whole = texts_of(data, size);
    match_t *match_two = match_best();
    if (column_count > MOST_COLUMNS || program_count > MOST_PROGRAMS) return -1;
    for (int64_t p = 0; p < MOST_PROGRAMS; p++) shortcuts[p] = (shortcut_t){-1, NULL, 0, 0, 0};
    for (int64_t n = 0; n < REMEMBERED; n++) few[n].key = 0;
    for (int64_t n = 0; n < null_count; n++) nulls.begins[null_views[2 * n] >> 32 & 0xFF] = 1;
    for (int64_t c = 0; c < column_count; c++)
        for (int64_t p = 0; columns[c].kind == RUN && p < MOST_PROGRAMS; p++) shortcuts[p].slot = columns[c].slots[0];
    for (int64_t text = 0; text < count; text++) {
        const uint8_t *at = data + starts[text], *end = data + ends[text];
        if (text + AHEAD < count) __builtin_prefetch(data + starts[text + AHEAD]);
        const int lane = syntax == EXPRESSION ? text & 1 : 0;
        int64_t *held = lanes[lane];
        if (syntax != EXPRESSION)
            for (int64_t n = 0; n < slot_count; n++) held[n] = -1;
        else if (!lane)
            are_matched = match_first(match_two, &whole, starts + text, ends + text, count - text, reader, program_count, slot_count, lanes, shortcuts);
        memory.text = text + 1;
        if (!(syntax == EXPRESSION ? are_matched >> lane & 1
              : syntax == OBJECT   ? match_object(data, size, at, end, keys, held, &memory)
              : syntax == PAIRS    ? match_pairs(data, at, end, keys, held, &memory)
              : syntax == PARTED   ? match_parted(data, at, end, separators[text], keys, held, &memory)
                                   : match_spaced(data, at, end, keys, held, &memory)))
            continue;
        int is_read = 1;
        for (int64_t c = 0; c < column_count; c++) {
            const column_t *column = columns + c;
            const int64_t slot = column->slot_count == 1 ? column->slots[0] : chosen(column, held, data, size, arena, &nulls);
            const int64_t begin = held[slot], length = held[slot + 1] - begin;
            taken_t *value = taken + c;
            *value = (taken_t){begin, begin + length, begin < size ? data + begin : arena + (begin - size), -1};
            if (column->kind != NUMBER || begin < 0) continue;
            value->number = number_at(value->from, value->from + length);
            if (value->number < -1 || value->number > column->most) {
                is_read = 0;
                break;
            }
        }
        if (!is_read) {
            texts[count - 1 - (*refused)++] = (int32_t)text;
            continue;
        }
        for (int64_t c = 0; c < column_count; c++) {
            column_t *column = columns + c;
            const int64_t begin = taken[c].begin, end = taken[c].end, number = taken[c].number;
            const uint8_t *from = taken[c].from, *beyond = begin < size ? data + size : arena + size;
            switch (column->kind) {
            case NUMBER:
                if (column->width == 2) ((int16_t *)column->values)[matched] = (int16_t)(number < 0 ? 0 : number);
                else if (column->width == 4) ((int32_t *)column->values)[matched] = (int32_t)(number < 0 ? 0 : number);
                else ((int64_t *)column->values)[matched] = number < 0 ? 0 : number;
                set_valid(column, matched, number >= 0);
                break;
            case RUN:
                if (!matched || end - begin != run_end[c] - run_begin[c] || (begin < 0) != (run_begin[c] < 0) ||
                    (begin >= 0 && end > begin && memcmp(from, run_begin[c] < size ? data + run_begin[c] : arena + (run_begin[c] - size), (size_t)(end - begin)))) {
                    run_begin[c] = begin, run_end[c] = end;
                    set_valid(column, column->count, begin >= 0);
                    write_view(column->views + 2 * column->count, data, size, arena, begin < 0 ? 0 : begin, end - begin);
                    column->count++;
                }
                ((uint32_t *)column->values)[matched] = (uint32_t)(column->count - 1);
                break;
            case FEW: {
                uint64_t view[2];
                write_view(view, data, size, arena, begin < 0 ? 0 : begin, end - begin);
                const int64_t key = 2 * c + 1 + (begin < 0);
                few_t *known = remembered(few, key, from, end - begin, view);
                if (!known->key) {
                    *known = (few_t){from, {view[0], view[1]}, key, (uint32_t)column->count};
                    set_valid(column, column->count, begin >= 0);
                    memcpy(column->views + 2 * column->count++, view, sizeof view);
                }
                ((uint32_t *)column->values)[matched] = known->number;
                break;
            }
            case PLACE:
                ((int64_t *)column->values)[2 * matched] = begin;
                ((int64_t *)column->values)[2 * matched + 1] = end;
                break;
            default: {
                uint64_t *view = (uint64_t *)column->values + 2 * matched;
                write_view(view, data, size, arena, begin < 0 ? 0 : begin, end - begin);
                if (begin >= 0) put_beside(view, column, from, end - begin, beyond);
                const int is_valid = begin >= 0 && (column->kind == TEXT || !is_null(view, &nulls));
                set_valid(column, matched, is_valid);
                if (column->kind == ADDRESS) {
                    column->marked[matched] = is_valid && !is_ipv4(from, from + (end - begin), beyond);
                    column->count += column->marked[matched];
                }
            }
            }
        }
        const int has_escape = escaped && memchr(at, escape, (size_t)(end - at));
        for (int64_t c = 0; has_escape && c < column_count && !escaped[matched]; c++)
            if (columns[c].kind != PLACE && taken[c].end > taken[c].begin)
                escaped[matched] = memchr(taken[c].from, escape, (size_t)(taken[c].end - taken[c].begin)) != NULL;
        texts[matched++] = (int32_t)text;
    }
    return matched;
}

/* One way to write times. */
typedef struct {
    int64_t kind; /* enum way */
    const uint8_t *pattern; /* of strptime: fields %Y %m %d %e %b %H %M %S %z, and plain characters; ends with 0 */
    int64_t must;           /* of strptime: a character without which no text is such a time, 0 for none */
    int64_t per_unit;       /* of epochs: microseconds in a unit, 0 where a thousand units are one */
    int64_t most;           /* of epochs: digits */
    int64_t year;           /* of strptime without %Y */
} form_t;

enum way { ISO8601, EPOCH, STRPTIME };
enum time { UNREAD, LOCAL, ZONED };
#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define MINUTE_CHARS 17 /* of 2026-08-28T12:34: */

/* The number that so many digits stand for, -1 where others stand there. */
static int64_t digits(const uint8_t *at, const uint8_t *end, int count) {
    int64_t number = 0;
    if (end - at < count) return -1;
    for (int n = 0; n < count; n++) {
        if (at[n] < '0' || at[n] > '9') return -1;
        number = number * 10 + (at[n] - '0');
    }
    return number;
}

/* Days since 1970-01-01 of a day of the Gregorian calendar, of which March is the first month here; INT64_MIN where there is none. */
static int64_t day_number(int64_t year, int64_t month, int64_t day) {
    static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int is_leap = (year % 4 == 0 && year % 100) || year % 400 == 0;
    if (month < 1 || month > 12 || day < 1 || day > lengths[month - 1] + (month == 2 && is_leap)) return INT64_MIN;
    const int64_t since = month > 2 ? month - 3 : month + 9, whole = month > 2 ? year : year - 1;
    return whole * 365 + whole / 4 - whole / 100 + whole / 400 + (153 * since + 2) / 5 + day - 1 - 719468;
}

/* Microseconds of a date and a time of day; INT64_MIN where a clock shows none such. */
static int64_t clock_time(int64_t days, int64_t hour, int64_t minute, int64_t second) {
    if (days == INT64_MIN || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return INT64_MIN;
    return days * DAY + (hour * 3600 + minute * 60 + second) * SECOND;
}

/* Minutes of +0900, +09:00 or, where that may be, +09; INT32_MIN for anything else. at goes behind it. */
static int32_t offset_at(const uint8_t **at, const uint8_t *end, int may_be_short) {
    const uint8_t *from = *at;
    if (from == end || (*from != '+' && *from != '-')) return INT32_MIN;
    const int64_t hours = digits(from + 1, end, 2);
    if (hours < 0 || hours > 23) return INT32_MIN;
    const uint8_t *rest = from + 3;
    rest += rest < end && *rest == ':';
    int64_t minutes = digits(rest, end, 2);
    if (minutes < 0 && may_be_short && rest == from + 3) minutes = 0, rest -= 2;
    if (minutes < 0 || minutes > 59) return INT32_MIN;
    *at = rest + 2;
    return (int32_t)((hours * 60 + minutes) * (*from == '-' ? -1 : 1));
}

/* The fraction of a second, in microseconds, which begins there; at goes behind it. */
static int64_t fraction_at(const uint8_t **at, const uint8_t *end) {
    int64_t number = 0;
    int count = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, count++)
        if (count < 6) number = number * 10 + (**at - '0');
    for (; count < 6; count++) number *= 10;
    return number;
}

/* A minute that was written, and its microseconds, INT64_MIN at first: the next text is mostly of the same one. */
typedef struct {
    uint8_t written[MINUTE_CHARS];
    int64_t micros;
} minute_t;

/* Each of these reads one whole text. It returns what the text is; UNREAD with may_be = 0 where it is surely not written so. */
static enum time read_iso(const uint8_t *at, const uint8_t *end, minute_t *last, int64_t *micros, int32_t *minutes, int *may_be) {
    const int is_same = last->micros != INT64_MIN && end - at > MINUTE_CHARS && !memcmp(at, last->written, MINUTE_CHARS);
    if (!is_same) {
        const int64_t year = digits(at, end, 4);
        *may_be = year >= 0 && end - at > 4 && at[4] == '-';
        if (!*may_be || end - at < 19 || at[7] != '-' || (at[10] != 'T' && at[10] != ' ') || at[13] != ':' || at[16] != ':') return UNREAD;
        *micros = clock_time(day_number(year, digits(at + 5, end, 2), digits(at + 8, end, 2)), digits(at + 11, end, 2), digits(at + 14, end, 2), 0);
        if (*micros == INT64_MIN) return UNREAD;
        memcpy(last->written, at, MINUTE_CHARS);
        last->micros = *micros;
    }
    *may_be = 1;
    const int64_t second = digits(at + MINUTE_CHARS, end, 2);
    if (second < 0 || second > 59) return UNREAD;
    *micros = last->micros + second * SECOND;
    at += 19;
    if (at < end && (*at == '.' || *at == ',')) {
        const uint8_t *first = ++at;
        *micros += fraction_at(&at, end);
        if (at == first || at - first > 9) return UNREAD;
    }
    if (at == end) return LOCAL;
    if (*at == 'Z') *minutes = 0, at++;
    else *minutes = offset_at(&at, end, 1);
    return at == end && *minutes != INT32_MIN ? ZONED : UNREAD;
}

static enum time read_epoch(const uint8_t *at, const uint8_t *end, const form_t *form, int64_t *micros, int32_t *minutes, int *may_be) {
    const uint8_t *first = at, *whole = digits_end(at, end);
    *may_be = 0;
    if (whole == first || whole - first > form->most) return UNREAD;
    uint64_t units = 0; /* of 19 digits at the most, so that it does not overflow */
    for (at = first; at < whole; at++) units = units * 10 + (uint64_t)(*at - '0');
    if (units > INT64_MAX) return UNREAD;
    int64_t part = 0;
    if (whole < end && *whole == '.') {
        at = whole + 1;
        part = fraction_at(&at, end);
        whole = at;
    }
    if (whole != end) return UNREAD;
    *micros = form->per_unit ? (int64_t)units * form->per_unit + part * form->per_unit / SECOND : (int64_t)units / 1000;
    *minutes = 0;
    return ZONED;
}

static enum time read_strptime(const uint8_t *at, const uint8_t *end, const form_t *form, int64_t *micros, int32_t *minutes, int *may_be) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t year = form->year, month = -1, day = -1, hour = 0, minute = 0, second = 0;
    int is_zoned = 0;
    *may_be = !form->must || (at < end && memchr(at, (int)form->must, (size_t)(end - at)));
    for (const uint8_t *code = form->pattern; *code; code++) {
        if (*code != '%') {
            if (at == end || *at++ != *code) return UNREAD;
            continue;
        }
        switch (*++code) {
        case 'Y': year = digits(at, end, 4), at += 4; break;
        case 'm': month = digits(at, end, 2), at += 2; break;
        case 'd': day = digits(at, end, 2), at += 2; break;
        case 'e': day = end - at > 1 && *at == ' ' ? digits(at + 1, end, 1) : digits(at, end, 2), at += 2; break;
        case 'H': hour = digits(at, end, 2), at += 2; break;
        case 'M': minute = digits(at, end, 2), at += 2; break;
        case 'S': second = digits(at, end, 2), at += 2; break;
        case 'b':
            month = -1;
            for (int n = 0; end - at >= 3 && n < 12; n++)
                if (!memcmp(at, months + 3 * n, 3)) month = n + 1;
            at += 3;
            break;
        case 'z':
            *minutes = offset_at(&at, end, 0), is_zoned = 1;
            if (*minutes == INT32_MIN) return UNREAD;
            break;
        default: return UNREAD;
        }
        if (at > end) return UNREAD;
    }
    if (at != end || year < 0 || month < 0 || day < 0) return UNREAD;
    *micros = clock_time(day_number(year, month, day), hour, minute, second);
    return *micros == INT64_MIN ? UNREAD : is_zoned ? ZONED : LOCAL;
}

/* Where the text of a view stands. */
static const uint8_t *text_of(const uint64_t *view, const uint8_t *const *buffers) {
    const int64_t length = (int64_t)(view[0] & 0xFFFFFFFFu);
    return length > INLINE ? buffers[view[1] & 0xFFFFFFFFu] + (view[1] >> 32) : (const uint8_t *)view + 4;
}

/* Let the memory bring the text that is read a little later. (Within a function that is not inlined GCC leaves it out, as it does nothing.) */
static inline __attribute__((always_inline)) void fetch_ahead(const uint64_t *views, const uint8_t *const *buffers, int64_t text, int64_t count) {
    if (text + AHEAD < count) __builtin_prefetch(text_of(views + 2 * (text + AHEAD), buffers));
}

/* Cut texts, given as views, at the first such byte. before and after become views of the same buffers, or of text that stands in
 * them; in_after becomes which texts hold the byte. */
void breachscope_cut(const uint64_t *views, const uint8_t *const *buffers, int64_t count, int byte, uint64_t *before, uint64_t *after, uint8_t *in_after) {
    for (int64_t text = 0; text < count; text++) {
        fetch_ahead(views, buffers, text, count);
        const uint64_t *view = views + 2 * text;
        const int64_t length = (int64_t)(view[0] & 0xFFFFFFFFu);
        const uint8_t *at = text_of(view, buffers), *found = length ? memchr(at, byte, (size_t)length) : NULL;
        const int64_t kept = found ? found - at : length, rest = found ? length - kept - 1 : 0;
        part_view(before + 2 * text, view, at, 0, kept);
        part_view(after + 2 * text, view, at, found ? kept + 1 : 0, rest);
        if (found) in_after[text >> 3] |= (uint8_t)(1 << (text & 7));
    }
}

/* Read texts, given as views, as times: each as the first of the forms that it is written in. What is UNREAD others must look
 * at: it is written in an unusual way, is no time, or is of no year between earliest and latest. */
void breachscope_times(const uint64_t *views, const uint8_t *const *buffers, int64_t count, const form_t *forms, int64_t form_count,
                       int64_t earliest, int64_t latest, int64_t *micros, int32_t *minutes, uint8_t *states) {
    minute_t last = {{0}, INT64_MIN};
    for (int64_t text = 0; text < count; text++) {
        fetch_ahead(views, buffers, text, count);
        const uint8_t *at = text_of(views + 2 * text, buffers), *end = at + (views[2 * text] & 0xFFFFFFFFu);
        enum time state = UNREAD;
        int may_be = 0;
        micros[text] = 0, minutes[text] = 0;
        for (int64_t n = 0; n < form_count && state == UNREAD && !may_be; n++) {
            const form_t *form = forms + n;
            if (form->kind == ISO8601) state = read_iso(at, end, &last, micros + text, minutes + text, &may_be);
            else if (form->kind == EPOCH) state = read_epoch(at, end, form, micros + text, minutes + text, &may_be);
            else state = read_strptime(at, end, form, micros + text, minutes + text, &may_be);
        }
        if (state == ZONED) micros[text] -= minutes[text] * 60 * SECOND;
        if (state == LOCAL) minutes[text] = 0;
        /* Wherever it was, a local time is within a day of UTC. */
        const int64_t margin = state == LOCAL ? DAY : 0;
        states[text] = state == UNREAD || micros[text] < earliest + margin || micros[text] >= latest - margin ? UNREAD : (uint8_t)state;
    }
}

/* Which of up to 64 programs match each text, as bits. */
void breachscope_sort(const uint8_t *data, int64_t size, const int64_t *starts, const int64_t *ends, int64_t count,
                      const program_t *programs, int64_t program_count, uint64_t *matched) {
    int64_t held[MOST_SLOTS];
    shortcut_t shortcut = {-1, NULL, 0, 0, 0};
    const texts_t texts = texts_of(data, size);
    match_t *match_two = match_best();
    const walk_t none = {data, data, NULL, held, 0, 0};
    /* Most programs cannot even begin with most bytes. */
    uint64_t may_match[256] = {0}, matches_none = 0;
    for (int64_t n = 0; n < program_count; n++) {
        const int is_done = programs[n].final[0] >= 0;
        matches_none |= (uint64_t)is_done << n;
        for (int byte = 0; byte < 256; byte++)
            may_match[byte] |= (uint64_t)(is_done || programs[n].steps[programs[n].classes[byte]] != NO_STEP) << n;
    }
    for (int64_t text = 0; text < count; text++) {
        const uint8_t *at = data + starts[text], *end = data + ends[text];
        if (text + AHEAD < count) __builtin_prefetch(data + starts[text + AHEAD]);
        matched[text] = 0;
        for (uint64_t left = at < end ? may_match[*at] : matches_none; left; left &= left - 1) {
            const int n = __builtin_ctzll(left);
            const walk_t walk = {at, end, NULL, held, 0, 0};
            if (match_two(&texts, programs + n, walk, none, &shortcut) & 1) matched[text] |= UINT64_C(1) << n;
        }
    }
}

/* Which texts may begin with another day than the one before: at least those that do, as "Aug 28 0" or "Aug 2 0", perhaps behind
 * a priority of up to three digits such as <34>. What is no day but looks like one must not stand for those behind it. */
int64_t breachscope_days(const uint8_t *data, const int64_t *starts, const int64_t *ends, int64_t count, int64_t *texts) {
    int64_t found = 0;
    const uint8_t *last = NULL; /* a day, if the month before it is one */
    for (int64_t text = 0; text < count; text++) {
        const uint8_t *at = data + starts[text], *end = data + ends[text];
        if (at < end && *at == '<') {
            const uint8_t *close = digits_end(at + 1, end);
            if (close > at + 1 && close <= at + 4 && close < end && *close == '>') at = close + 1;
        }
        if (end - at < DAY_CHARS || (last && !memcmp(at, last, DAY_CHARS))) continue;
        const uint8_t *hour = at + (at[5] == ' ' && digits_end(at + 4, at + 5) > at + 4 ? 6 : 7);
        last = hour[-1] == ' ' && digits_end(hour, end) > hour ? at : NULL;
        texts[found++] = text;
    }
    return found;
}

/* How often a byte occurs, how many bytes are 0, and whether any is beyond ASCII. */
WIDE void breachscope_survey(const uint8_t *data, int64_t size, int byte, int64_t *found) {
    int64_t count = 0, nuls = 0;
    uint8_t bits = 0;
    while (size > 0) {
        /* In a part of so many bytes each of these counters fits a byte, and the compiler handles all of them at a time. */
        const int64_t part = size < 255 * 32 ? size : 255 * 32;
        uint8_t counts[32] = {0}, zeros[32] = {0}, high[32] = {0};
        int64_t at = 0;
        for (; at + 32 <= part; at += 32)
            for (int n = 0; n < 32; n++) counts[n] += data[at + n] == byte, zeros[n] += !data[at + n], high[n] |= data[at + n];
        for (; at < part; at++) count += data[at] == byte, nuls += !data[at], bits |= data[at];
        for (int n = 0; n < 32; n++) count += counts[n], nuls += zeros[n], bits |= high[n];
        data += part, size -= part;
    }
    found[0] = count, found[1] = nuls, found[2] = bits >> 7;
}

/* Whether the byte order mark of UTF-8 stands anywhere. */
WIDE int64_t breachscope_has_mark(const uint8_t *data, int64_t size) {
    uint8_t found = 0;
    for (int64_t at = 0; at < size - 2; at++) found |= (uint8_t)((data[at] == 0xEF) & (data[at + 1] == 0xBB) & (data[at + 2] == 0xBF));
    return found;
}

/* Where each line begins, where its text ends - before its newline and any carriage returns there - and the text's first byte, the
 * newline for none. starts has room for one more than count, which is the number of newlines and one for what follows the last. */
void breachscope_lines(const uint8_t *data, int64_t size, int newline, int64_t count, int64_t *starts, int64_t *ends, uint8_t *firsts) {
    int64_t begin = 0;
    for (int64_t line = 0; line < count; line++) {
        const uint8_t *found = memchr(data + begin, newline, (size_t)(size - begin));
        const int64_t next = found ? found - data + 1 : size;
        int64_t end = found ? next - 1 : size;
        while (end > begin && data[end - 1] == '\r') end--;
        starts[line] = begin, ends[line] = end, firsts[line] = end > begin ? data[begin] : (uint8_t)newline;
        begin = next;
    }
    starts[count] = size;
}

/* Whether a text is UTF-8 (RFC 3629, section 4). */
static int is_utf_8(const uint8_t *at, const uint8_t *end) {
    while (at < end) {
        if (end - at >= 8 && !(word_at(at) & UINT64_C(0x8080808080808080))) {
            at += 8;
            continue;
        }
        const uint8_t first = *at++;
        if (first < 0x80) continue;
        const int more = first < 0xC2 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : first < 0xF5 ? 3 : 0;
        const uint8_t least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80, most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
        if (!more || end - at < more || at[0] < least || at[0] > most) return 0;
        for (int n = 1; n < more; n++)
            if (at[n] < 0x80 || at[n] > 0xBF) return 0;
        at += more;
    }
    return 1;
}

/* Which lines are not UTF-8: returns how many there are, and their rows. starts has one more than count. */
int64_t breachscope_not_utf_8(const uint8_t *data, const int64_t *starts, int64_t count, int64_t *rows) {
    int64_t found = 0;
    for (int64_t line = 0; line < count; line++)
        if (!is_utf_8(data + starts[line], data + starts[line + 1])) rows[found++] = line;
    return found;
}

#if defined(__x86_64__) && defined(__GNUC__)
AVX2 static void clear_upper(void) { _mm256_zeroupper(); }
#else
static void clear_upper(void) {}
#endif

/* Tell the processor that the upper halves of its vector registers are not in use, which ISA-L leaves undone. */
void breachscope_clear_registers(void) {
    if (HAS_AVX2) clear_upper();
}

/* Keep the memory of one block for the next: the C library would give it back, and the kernel clear it again each time. */
void breachscope_keep_memory(void) {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}
