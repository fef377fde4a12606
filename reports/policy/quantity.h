/* A number that a report rests on: its value and range, and where they come from. Private to reports.
 *
 * Nothing enters a policy report without a date and a source, or without saying that it is assumed and why. */
#ifndef JEOUL_POLICY_QUANTITY_H
#define JEOUL_POLICY_QUANTITY_H

#include "base/json.h"

/* How far a figure can be trusted; each is typeset in a way of its own. */
enum basis { BASIS_MEASURED, BASIS_FACT, BASIS_PROJECTED, BASIS_ASSUMED };
extern const char *const basis_names[4]; // "measured", "fact", "projected", "assumed"

struct quantity {
    double value, low, high; // value NaN: not known; low ≤ value ≤ high
    enum basis basis;
    bool secondary; // a fact whose source is not the first hand
    /* Owned by the documents; NULL where there is none. What is a fact has a source, and perhaps how it was worked out; what is assumed
     * says why, and so may the use of a fact. */
    const char *fact, *unit, *date, *source, *worked_ko, *worked_en, *note_ko, *note_en;
};

struct catalog;

/* Reads {"fact": ID} of the catalogue, {"value", "date", "source"} or {"value", "date", "note_ko", "note_en"} for an assumption, each with
 * "low" and "high" where there is a range. Numbers outside [low, high] of the arguments are refused. */
bool quantity_read(const struct json_at *at, const struct catalog *catalog, double low, double high, struct quantity *out,
                   struct error *err) MUST_CHECK;

/* The value at one end of the range (−1 low, 0 the value itself, +1 high). */
double quantity_at(const struct quantity *quantity, int end);

#endif
