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

enum kind { TEXT, TOLD, ADDRESS, NUMBER, RUN, PLACE };

typedef struct {
    const uint8_t *classes;  /* byte -> class */
    const uint32_t *steps;   /* row + class -> row of the next state | action << 16, or NO_STEP */
    const int16_t *final;    /* state -> action at the end of the text, -1 where it must not end */
    const int16_t *slots;    /* action * slot_width + n -> slot that is set to the place, -1 behind the last */
    const uint64_t *exits;   /* action * MOST_EXITS + n -> a byte that ends the stay, eight times; 0 where nothing is known */
    int64_t class_count;
    int64_t slot_width;
    int64_t is_whole;
    int64_t is_ascii; /* what stands beyond ASCII is not known to it, so it must not end before that */
} program_t;

typedef struct {
    int64_t kind;
    int64_t slot;     /* of the group's begin; its end is in the next one */
    int64_t most;     /* the largest number */
    int64_t width;    /* bytes of a number */
    void *values;     /* views (16 bytes), numbers, of runs which run (uint32), of places begins and ends (int64 pairs) */
    uint64_t *views;  /* of runs: the views of their texts */
    uint8_t *valid;   /* bitmap, zero at first */
    uint8_t *marked;  /* of addresses: bytes, set where it is none that is spelt as usual */
    int64_t missing;  /* out: values that are not valid */
    int64_t count;    /* out: runs, or marked addresses */
} column_t;

#define MOST_EXITS 4
#define MOST_SLOTS 256
#define NO_STEP 0xFFFFFFFFu
#define INLINE 12
#define NUMBER_DIGITS 18
#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

static uint64_t word_at(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

/* How the automaton went through a group that neighbours share, such as the time: from the same step the same bytes lead to
 * the same row, so they need not be gone through again. */
typedef struct {
    int64_t slot;         /* of the group; -1 for none */
    const uint8_t *begin; /* what it held in the text before */
    int64_t length;       /* 0 where that cannot be used */
    uint32_t step;        /* the step that entered it */
    uint32_t row;         /* the row behind its last byte */
} shortcut_t;

/* Whether the text matches; held becomes where its groups begin and end, and stays for those that take no part. */
static int match(const uint8_t *data, const uint8_t *at, const uint8_t *end, const program_t *program, int64_t *held,
                 shortcut_t *shortcut) {
    uint32_t row = 0, entered = 0;
    const uint8_t *entry = NULL; /* where the group of the shortcut began, while nothing else was noted */
    while (at < end) {
        const uint32_t step = program->steps[row + program->classes[*at]];
        if (step > 0xFFFF) {
            if (step == NO_STEP) break;
            const uint32_t action = step >> 16;
            const int16_t *slot = program->slots + action * program->slot_width;
            if (*slot >= 0) {
                int is_entry = 0;
                for (; *slot >= 0; slot++) {
                    held[*slot] = at - data;
                    is_entry |= *slot == shortcut->slot;
                }
                if (is_entry) {
                    const int64_t more = shortcut->length - 1;
                    if (more > 0 && step == shortcut->step && end - at > more && !memcmp(at, shortcut->begin, (size_t)more + 1)) {
                        row = shortcut->row;
                        at += more + 1;
                        continue;
                    }
                    entry = at, entered = step;
                } else if (entry) {
                    if (held[shortcut->slot + 1] == at - data) {
                        shortcut->begin = entry, shortcut->length = at - entry, shortcut->step = entered, shortcut->row = row;
                    }
                    entry = NULL;
                }
            }
            const uint64_t *exits = program->exits + action * MOST_EXITS;
            if (exits[0]) {
                /* Eight bytes at a time while none of them leaves the state: a zero byte borrows from its high bit. */
                for (; end - at > 8; at += 8) {
                    const uint64_t word = word_at(at + 1);
                    uint64_t leaves = word;
                    for (int n = 0; n < MOST_EXITS; n++) leaves |= ((word ^ exits[n]) - ONES) & ~(word ^ exits[n]);
                    if (leaves & HIGHS) break;
                }
            }
        }
        row = step & 0xFFFF;
        at++;
    }
    const int16_t done = program->final[row / program->class_count];
    if (done < 0 || (at < end && (program->is_whole || (program->is_ascii && *at >= 0x80)))) return 0;
    for (const int16_t *slot = program->slots + done * program->slot_width; *slot >= 0; slot++) held[*slot] = at - data;
    return 1;
}

/* Arrow's string view: length, then the text itself or its first four bytes, buffer 0 and the offset. */
static void write_view(uint64_t *view, const uint8_t *data, int64_t size, int64_t begin, int64_t length) {
    uint64_t words[2] = {0, 0};
    const int64_t kept = length < INLINE ? length : INLINE;
    if (begin + 16 <= size) {
        words[0] = word_at(data + begin);
        if (kept < 8) words[0] &= (UINT64_C(1) << 8 * kept) - 1;
        else if (kept > 8) words[1] = word_at(data + begin + 8) & ((UINT64_C(1) << 8 * (kept - 8)) - 1);
    } else {
        memcpy(words, data + begin, (size_t)kept);
    }
    view[0] = (uint64_t)length | words[0] << 32;
    view[1] = length > INLINE ? (uint64_t)begin << 32 : words[0] >> 32 | words[1] << 32;
}

/* The whole number that stands there, -1 where "-", the empty text or no text does, -2 for anything else. */
static int64_t number_at(const uint8_t *data, int64_t begin, int64_t end) {
    if (begin < 0 || begin == end || (end - begin == 1 && data[begin] == '-')) return -1;
    if (end - begin > NUMBER_DIGITS) return -2;
    int64_t number = 0;
    for (; begin < end; begin++) {
        if (data[begin] < '0' || data[begin] > '9') return -2;
        number = number * 10 + (data[begin] - '0');
    }
    return number;
}

/* Whether an IPv4 address stands there in its usual spelling. */
static int is_ipv4(const uint8_t *at, const uint8_t *end) {
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

static int is_null(const uint64_t *view, const uint64_t *nulls, int64_t null_count) {
    for (int64_t n = 0; n < null_count; n++)
        if (view[0] == nulls[2 * n] && view[1] == nulls[2 * n + 1]) return 1;
    return 0;
}

static void set_valid(column_t *column, int64_t row, int is_valid) {
    if (is_valid) column->valid[row >> 3] |= (uint8_t)(1 << (row & 7));
    else column->missing++;
}

/* Match texts, and make columns of what the program's groups catch. Returns how many match and have numbers that are numbers;
 * texts becomes which. */
int64_t breachscope_catch(const uint8_t *data, int64_t size, const int64_t *starts, const int64_t *ends, int64_t count,
                          const program_t *program, column_t *columns, int64_t column_count, const uint64_t *nulls,
                          int64_t null_count, int32_t *texts) {
    int64_t held[MOST_SLOTS], run_begin[MOST_SLOTS / 2], run_end[MOST_SLOTS / 2], slot_count = 0, matched = 0;
    for (int64_t c = 0; c < column_count; c++)
        if (columns[c].slot + 2 > slot_count) slot_count = columns[c].slot + 2;
    shortcut_t shortcut = {-1, NULL, 0, 0, 0};
    for (int64_t c = 0; c < column_count; c++)
        if (columns[c].kind == RUN) shortcut.slot = columns[c].slot;
    for (int64_t text = 0; text < count; text++) {
        for (int64_t n = 0; n < slot_count; n++) held[n] = -1;
        if (!match(data, data + starts[text], data + ends[text], program, held, &shortcut)) continue;
        int is_read = 1;
        for (int64_t c = 0; c < column_count && is_read; c++) {
            if (columns[c].kind != NUMBER) continue;
            const int64_t number = number_at(data, held[columns[c].slot], held[columns[c].slot + 1]);
            is_read = number > -2 && number <= columns[c].most;
        }
        if (!is_read) continue;
        for (int64_t c = 0; c < column_count; c++) {
            column_t *column = columns + c;
            const int64_t begin = held[column->slot], end = held[column->slot + 1];
            switch (column->kind) {
            case NUMBER: {
                const int64_t number = number_at(data, begin, end);
                if (column->width == 2) ((int16_t *)column->values)[matched] = (int16_t)(number < 0 ? 0 : number);
                else if (column->width == 4) ((int32_t *)column->values)[matched] = (int32_t)(number < 0 ? 0 : number);
                else ((int64_t *)column->values)[matched] = number < 0 ? 0 : number;
                set_valid(column, matched, number >= 0);
                break;
            }
            case RUN:
                if (!matched || end - begin != run_end[c] - run_begin[c] || (begin < 0) != (run_begin[c] < 0) ||
                    (begin >= 0 && memcmp(data + begin, data + run_begin[c], (size_t)(end - begin)))) {
                    run_begin[c] = begin, run_end[c] = end;
                    set_valid(column, column->count, begin >= 0);
                    write_view(column->views + 2 * column->count, data, size, begin < 0 ? 0 : begin, end - begin);
                    column->count++;
                }
                ((uint32_t *)column->values)[matched] = (uint32_t)(column->count - 1);
                break;
            case PLACE:
                ((int64_t *)column->values)[2 * matched] = begin;
                ((int64_t *)column->values)[2 * matched + 1] = end;
                break;
            default: {
                uint64_t *view = (uint64_t *)column->values + 2 * matched;
                write_view(view, data, size, begin < 0 ? 0 : begin, end - begin);
                const int is_valid = begin >= 0 && (column->kind == TEXT || !is_null(view, nulls, null_count));
                set_valid(column, matched, is_valid);
                if (column->kind == ADDRESS) {
                    column->marked[matched] = is_valid && !is_ipv4(data + begin, data + end);
                    column->count += column->marked[matched];
                }
            }
            }
        }
        texts[matched++] = (int32_t)text;
    }
    return matched;
}

/* Which of up to 64 programs match each text, as bits. */
void breachscope_sort(const uint8_t *data, const int64_t *starts, const int64_t *ends, int64_t count,
                      const program_t *programs, int64_t program_count, uint64_t *matched) {
    int64_t held[MOST_SLOTS];
    shortcut_t shortcut = {-1, NULL, 0, 0, 0};
    for (int64_t text = 0; text < count; text++) {
        matched[text] = 0;
        for (int64_t n = 0; n < program_count; n++)
            if (match(data, data + starts[text], data + ends[text], programs + n, held, &shortcut)) matched[text] |= UINT64_C(1) << n;
    }
}

/* How often a byte occurs, how many bytes are 0, and whether any is beyond ASCII. */
void breachscope_survey(const uint8_t *data, int64_t size, int byte, int64_t *found) {
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

/* Where each line begins, and where its text ends: before its newline and any carriage returns there. starts has room for one
 * more than count, which is the number of newlines and one for what follows the last. */
void breachscope_lines(const uint8_t *data, int64_t size, int newline, int64_t count, int64_t *starts, int64_t *ends) {
    int64_t begin = 0;
    for (int64_t line = 0; line < count; line++) {
        const uint8_t *found = memchr(data + begin, newline, (size_t)(size - begin));
        const int64_t next = found ? found - data + 1 : size;
        int64_t end = found ? next - 1 : size;
        while (end > begin && data[end - 1] == '\r') end--;
        starts[line] = begin, ends[line] = end;
        begin = next;
    }
    starts[count] = size;
}

/* Keep the memory of one block for the next: the C library would give it back, and the kernel clear it again each time. */
void breachscope_keep_memory(void) {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}
