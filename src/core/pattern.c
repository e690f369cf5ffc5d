/* SPDX-License-Identifier: Apache-2.0 */
/* pattern.c - matches by backtracking. What still has to match after an atom is a list of todos on the stack.
 */
#include "core/pattern.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = -1 };

/* Atom [atom, atom_end) at least `least` and at most `most` times, then [after, end), then `next`. */
typedef struct todo {
    const char *atom, *atom_end, *after, *end;
    int least, most;
    const char *started; /* where the last repetition began */
    const struct todo *next;
} todo;

static int sequence(const char *p, const char *end, const char *s, const todo *next);

/* The end of the atom at p: a group, a class, an escaped character, or a character. */
static const char *end_of_atom(const char *p)
{
    if (*p == '\\')
        return p + 2;
    if (*p == '[')
        return strchr(p + 1 + (p[1] == '^') + 1, ']') + 1;
    if (*p != '(')
        return p + 1;
    for (p++; *p != ')';)
        p = end_of_atom(p);
    return p + 1;
}

static int in_class(const char *p, const char *end, char c)
{
    int negated = *p == '^', found = 0;
    for (p += negated; p < end; p++)
        if (p + 2 < end && p[1] == '-') {
            found = found || (c >= p[0] && c <= p[2]);
            p += 2;
        } else {
            found = found || c == *p;
        }
    return found != negated;
}

static int is_one(const todo *t, char c)
{
    if (*t->atom == '[')
        return in_class(t->atom + 1, t->atom_end - 1, c);
    return *t->atom == '\\' ? c == t->atom[1] : *t->atom == '.' || c == *t->atom;
}

static int any_of(const char *p, const char *end, const char *s, const todo *next)
{
    for (const char *from = p;; p = end_of_atom(p))
        if (p == end || *p == '|') {
            if (sequence(from, p, s, next))
                return 1;
            if (p == end)
                return 0;
            from = p + 1;
        }
}

/* As many repetitions as possible first. One that took no character ends them. */
static int repeat(const todo *t, const char *s)
{
    int took_nothing = s == t->started;
    if (t->most != 0 && !took_nothing) {
        todo again = *t;
        again.least = t->least > 0 ? t->least - 1 : 0;
        again.most = t->most == MANY ? MANY : t->most - 1;
        again.started = s;
        if (*t->atom == '(' ? any_of(t->atom + 1, t->atom_end - 1, s, &again)
                            : *s && is_one(t, *s) && repeat(&again, s + 1))
            return 1;
    }
    return (t->least == 0 || took_nothing) && sequence(t->after, t->end, s, t->next);
}

/* Reads how often the atom may stand. */
static void read_count(todo *t)
{
    char *end;
    t->least = *t->after != '*' && *t->after != '?';
    t->most = *t->after == '*' || *t->after == '+' ? MANY : 1;
    if (*t->after == '{') {
        t->least = (int)strtol(t->after + 1, &end, 10);
        t->most = t->least;
        if (*end == ',')
            t->most = end[1] == '}' ? MANY : (int)strtol(end + 1, &end, 10);
        t->after = strchr(t->after, '}') + 1;
    } else if (*t->after && strchr("*+?", *t->after)) {
        t->after++;
    }
}

static int sequence(const char *p, const char *end, const char *s, const todo *next)
{
    if (p == end)
        return next ? repeat(next, s) : *s == '\0';
    todo t = {.atom = p, .atom_end = end_of_atom(p), .end = end, .next = next};
    t.after = t.atom_end;
    if (t.after < end)
        read_count(&t);
    else
        t.least = t.most = 1;
    return repeat(&t, s);
}

int pattern_matches(const char *pattern, const char *text)
{
    return any_of(pattern, pattern + strlen(pattern), text, NULL);
}
