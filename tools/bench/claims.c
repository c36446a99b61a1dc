/* SPDX-License-Identifier: MIT */
/*
 * The folklore, judged by the figures. Every claim says that one thing is worse than another; each piece of evidence is a ratio that is above 1 when the claim
 * is right. More than a tenth, and beyond the spread of the rounds: confirmed. A tenth or less: refuted, for nobody would notice. A claim of which
 * some evidence speaks for and some against it is right in part, and the answer says in what.
 */
#include <math.h>
#include <string.h>

#include "bench.h"

enum { NAMED = 3 }; /* figures in an answer */
static const double NOTICEABLE = 1.10;

struct claim claims[MAX_CLAIMS];
unsigned claim_count;
const char *const verdict_names[] = {
	[REFUTED] = "refuted", [CONFIRMED] = "confirmed", [PARTLY] = "in part", [NOT_MEASURED] = "not measured"
};

static struct claim *begin(const char *text)
{
	struct claim *c = &claims[claim_count++];

	memset(c, 0, sizeof(*c));
	c->text = text;
	return c;
}

static void add(struct claim *c, const char *what, struct spread ratio)
{
	struct evidence *e;

	if (c->evidence_count == sizeof(c->evidence) / sizeof(c->evidence[0]) || !(ratio.median > 0))
		return;
	e = &c->evidence[c->evidence_count++];
	(void)snprintf(e->text, sizeof(e->text), "%.110s", what);
	e->ratio = ratio.median;
	e->spread = ratio;
	e->verdict = ratio.median > NOTICEABLE && ratio.low > 1 ? CONFIRMED : REFUTED;
}

/* Times of `slow` by those of `fast`, round by round. */
static void add_rows(struct claim *c, const char *slow, const char *fast)
{
	for (unsigned i = 0; i < settings.work_count; i++) {
		const struct row *a = row_find(slow, settings.works[i].name, NULL),
				 *b = row_find(fast, settings.works[i].name, NULL);
		double ratios[MAX_ROUNDS];

		if (a == NULL || b == NULL)
			continue;
		for (unsigned r = 0; r < a->rounds; r++)
			ratios[r] = a->elapsed[r] / b->elapsed[r];
		add(c, settings.works[i].title, spread_of(ratios, a->rounds));
	}
}

static bool is_other_image(const struct row *row)
{
	return row->kind->format != VHDX_FORMAT_RAW && row->kind->type != VHDX_TYPE_FIXED && row->way == &way_ours;
}

/* The best of the other types in each work by `fast`: what it is worth to choose that one. */
static void add_best(struct claim *c, const char *fast)
{
	for (unsigned i = 0; i < settings.work_count; i++) {
		const struct row *b = row_find(fast, settings.works[i].name, NULL), *best = NULL;
		double ratios[MAX_ROUNDS];
		char text[160];

		for (unsigned n = 0; n < results.row_count; n++) {
			const struct row *row = &results.rows[n];

			if (row->work == &settings.works[i] && is_other_image(row) &&
			    (best == NULL || row->seconds.median < best->seconds.median))
				best = row;
		}
		if (b == NULL || best == NULL)
			continue;
		for (unsigned r = 0; r < b->rounds; r++)
			ratios[r] = best->elapsed[r] / b->elapsed[r];
		(void)snprintf(text, sizeof(text), "%s: %s", settings.works[i].title, best->kind->title);
		add(c, text, spread_of(ratios, b->rounds));
	}
}

static void add_value(struct claim *c, const char *what, double ratio)
{
	add(c, what, (struct spread){ ratio, ratio, ratio });
}

/* The evidence with the largest ratio below `limit`, of one verdict. */
static const struct evidence *next_evidence(const struct claim *c, enum verdict verdict, double limit)
{
	const struct evidence *found = NULL;

	for (unsigned i = 0; i < c->evidence_count; i++) {
		const struct evidence *e = &c->evidence[i];

		if (e->verdict == verdict && e->ratio < limit && (found == NULL || e->ratio > found->ratio))
			found = e;
	}
	return found;
}

/* "1.43x (random read), 1.31x (...)": the largest ones of what speaks for the claim. */
static void list_confirmed(const struct claim *c, char *text, size_t size)
{
	const struct evidence *e = next_evidence(c, CONFIRMED, INFINITY);
	size_t used = 0;

	text[0] = '\0';
	for (unsigned n = 0; n < NAMED && e != NULL && used < size; n++, e = next_evidence(c, CONFIRMED, e->ratio))
		used += (size_t)snprintf(text + used, size - used, "%s%s (%s)", n != 0 ? ", " : "", text_ratio(e->ratio).text,
					 e->text);
}

/* The word on all evidence. */
static void judge(struct claim *c, const char *what)
{
	unsigned confirmed = 0;
	double ratios[MAX_EVIDENCE];
	char figures[300];
	struct spread all;

	for (unsigned i = 0; i < c->evidence_count; i++) {
		confirmed += c->evidence[i].verdict == CONFIRMED;
		ratios[i] = c->evidence[i].ratio;
	}
	all = spread_of(ratios, c->evidence_count);
	list_confirmed(c, figures, sizeof(figures));
	if (c->evidence_count == 0)
		c->verdict = NOT_MEASURED;
	else
		c->verdict = confirmed == 0 ? REFUTED : confirmed == c->evidence_count ? CONFIRMED : PARTLY;
	if (c->verdict == NOT_MEASURED)
		(void)snprintf(c->answer, sizeof(c->answer), "not measured in this run");
	else if (c->verdict == REFUTED)
		(void)snprintf(c->answer, sizeof(c->answer),
			       "%s: %.2fx is the median of %u figures, and none is above 1.10x beyond its spread", what,
			       all.median, c->evidence_count);
	else
		(void)snprintf(c->answer, sizeof(c->answer), "%s: %s%s; %u of %u figures, whose median is %s", what, figures,
			       confirmed > NAMED ? ", ..." : "", confirmed, c->evidence_count, text_ratio(all.median).text);
}

static const struct aged *aged_find(const char *format, enum ageing how, double asked)
{
	for (unsigned i = 0; i < results.aged_count; i++) {
		const struct aged *a = &results.aged[i];

		if (strcmp(a->format, format) == 0 && a->how == how && (how != AGE_GROWTH || fabs(a->asked - asked) < 0.01))
			return a;
	}
	return NULL;
}

static void claim_fragments(const char *format)
{
	static const char *const names[] = { "sequential read", "sequential read, cold", "random read", "random read, cold" };
	struct claim *c = &claims[claim_count - 1];
	const struct aged *torn = aged_find(format, AGE_GROWTH, 100);
	char text[120];

	for (unsigned w = 0; torn != NULL && w < 4; w++) {
		(void)snprintf(text, sizeof(text), "%s, %s, all neighbours torn apart", format, names[w]);
		add(c, text, torn->slowdown[w]);
	}
}

static void claim_space(struct claim *c)
{
	const struct making *child = NULL;

	for (unsigned i = 0; i < results.making_count; i++) {
		const struct making *m = &results.makings[i];

		if (m->kind->type == VHDX_TYPE_DIFFERENCING && m->kind->format == VHDX_FORMAT_VHDX && m->file_size != 0 &&
		    child == NULL)
			child = m;
	}
	for (unsigned i = 0; child != NULL && i < results.making_count; i++) {
		const struct making *m = &results.makings[i];
		char text[120];

		if (m->file_size == 0 || (m->kind->type != VHDX_TYPE_FIXED && m->kind->type != VHDX_TYPE_DYNAMIC) ||
		    m->kind->format == VHDX_FORMAT_VHD || m->kind->format == VHDX_FORMAT_RAW)
			continue;
		(void)snprintf(text, sizeof(text), "the same new files, against %s", m->kind->title);
		add_value(c, text, (double)m->allocated / (double)child->allocated);
	}
	for (unsigned i = 0; i + 1 < results.clone_count; i++) {
		const struct clone *children = &results.clones[i], *copy = &results.clones[i + 1];
		char text[120];

		if (children->count != settings.clones || copy->count != 1)
			continue;
		(void)snprintf(text, sizeof(text), "clones before the first write, against a %s", copy->title + 4);
		add_value(c, text, (double)copy->bytes / ((double)children->bytes / settings.clones));
	}
}

/* The deepest chain there is. */
static const char *deepest(void)
{
	const struct kind *found = NULL;

	for (unsigned i = 0; i < settings.kind_count; i++) {
		const struct kind *k = &settings.kinds[i];

		if (k->format == VHDX_FORMAT_VHDX && k->depth > 1 && (found == NULL || k->depth > found->depth))
			found = k;
	}
	return found != NULL ? found->name : "";
}

void claims_judge(void)
{
	claim_count = 0;
	add_rows(begin("Pass-through is the fastest"), "vhdx-fixed", "raw");
	judge(&claims[0], "Time of a fixed VHDX by that of pass-through");
	add_best(begin("Fixed is for production: it is faster than all others"), "vhdx-fixed");
	judge(&claims[1], "Time of the best other type by that of a fixed VHDX");
	add_rows(begin("Dynamic is slower than fixed (VHDX)"), "vhdx-dynamic", "vhdx-fixed");
	judge(&claims[2], "Time of dynamic by that of fixed");
	add_rows(begin("Dynamic is slower than fixed (VHD)"), "vhd-dynamic", "vhd-fixed");
	judge(&claims[3], "Time of dynamic by that of fixed");
	begin("Dynamic fragments as it grows, and that makes it slow");
	claim_fragments("VHDX");
	claim_fragments("VHD");
	judge(&claims[4], "Time of one torn apart by that of one in order");
	add_rows(begin("Differencing is the slowest"), "vhdx-diff", "vhdx-dynamic");
	judge(&claims[5], "Time of differencing by that of dynamic (VHDX)");
	add_rows(begin("The longer the chain, the slower"), deepest(), "vhdx-diff");
	judge(&claims[6], "Time of the longest chain by that of one child");
	claim_space(begin("Differencing is the smallest"));
	judge(&claims[7], "Space of the others by that of differencing");
}
