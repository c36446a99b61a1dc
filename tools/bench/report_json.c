/* SPDX-License-Identifier: MIT */
/* The results as one JSON object on standard output; the manual page tells its members. Seconds are told in nanoseconds, two decimals. */
#include "bench.h"
#include "json.h"

static void put_spread(struct json *json, const char *key, struct spread s, double factor)
{
	json_object(json, key, true);
	json_fraction(json, "median", s.median * factor);
	json_fraction(json, "low", s.low * factor);
	json_fraction(json, "high", s.high * factor);
	json_close(json);
}

static void put_machine(struct json *json)
{
	json_object(json, "machine", false);
	json_string(json, "processor", machine.processor);
	json_number(json, "processors", machine.processors);
	json_number(json, "memory", machine.memory);
	json_string(json, "kernel", machine.kernel);
	json_string(json, "filesystem", machine.filesystem);
	json_string(json, "device", machine.device);
	json_string(json, "when", machine.when);
	json_fraction(json, "load_before", machine.load_before);
	json_fraction(json, "load_after", machine.load_after);
	json_fraction(json, "busy_percent", machine.busy);
	json_fraction(json, "steal_percent", machine.steal);
	json_string(json, "warning", machine_warning());
	json_close(json);
	json_object(json, "versions", true);
	json_string(json, "libvhdx", vhdx_version());
	json_string(json, "qemu", settings.peer_qemu ? qemu_version() : NULL);
	json_string(json, "libvhdi", settings.peer_vhdi ? vhdi_version() : NULL);
	json_close(json);
}

static void put_settings(struct json *json)
{
	json_object(json, "settings", false);
	json_number(json, "size", settings.size);
	json_number(json, "sparse_size", settings.sparse_size);
	json_number(json, "rounds", settings.rounds);
	json_fraction(json, "seconds", settings.seconds);
	json_number(json, "operations", settings.operations);
	json_number(json, "seed", settings.seed);
	json_string(json, "time", settings.by_cpu ? "processor" : "elapsed");
	json_close(json);
	json_number(json, "verified_bytes", results.verified);
	json_number(json, "wrong", results.wrong);
	json_fraction(json, "seconds", results.took);
}

static void put_row(struct json *json, const struct row *row)
{
	json_object(json, NULL, false);
	json_string(json, "type", row->kind->name);
	json_string(json, "work", row->work->name);
	json_string(json, "by", row->way->name);
	json_number(json, "io", row->work->io);
	json_number(json, "rounds", row->rounds);
	json_number(json, "operations", row->operations);
	put_spread(json, "nanoseconds", row->seconds, 1e9);
	put_spread(json, "cpu_nanoseconds", row->processor, 1e9);
	put_spread(json, "time_to_reference", row->to_reference, 1);
	json_fraction(json, "bytes_per_second", row_speed(row, row->seconds.median));
	if (row->has_latency) {
		json_object(json, "latency", true);
		json_fraction(json, "p50", row->p50 * 1e9);
		json_fraction(json, "p90", row->p90 * 1e9);
		json_fraction(json, "p99", row->p99 * 1e9);
		json_fraction(json, "p99.9", row->p999 * 1e9);
		json_fraction(json, "worst", row->worst * 1e9);
		json_close(json);
	} else {
		json_null(json, "latency");
	}
	if (row->has_counts) {
		json_object(json, "each", true);
		json_fraction(json, "reads", row->each.reads);
		json_fraction(json, "writes", row->each.writes);
		json_fraction(json, "flushes", row->each.flushes);
		json_fraction(json, "others", row->each.others);
		json_fraction(json, "bytes_read", row->each.bytes_read);
		json_fraction(json, "bytes_written", row->each.bytes_written);
		json_close(json);
	} else {
		json_null(json, "each");
	}
	json_close(json);
}

static void put_makings(struct json *json)
{
	json_array(json, "creation", false);
	for (unsigned i = 0; i < results.making_count; i++) {
		const struct making *m = &results.makings[i];

		json_object(json, NULL, false);
		json_string(json, "type", m->kind->name);
		json_string(json, "by", m->by);
		put_spread(json, "nanoseconds", m->create_seconds, 1e9);
		if (m->file_size != 0) {
			json_number(json, "empty_bytes", m->empty_bytes);
			json_number(json, "content_bytes", m->content_bytes);
			json_number(json, "file_size", m->file_size);
			json_number(json, "allocated", m->allocated);
		}
		json_close(json);
	}
	json_close(json);
	json_array(json, "clones", false);
	for (unsigned i = 0; i < results.clone_count; i++) {
		const struct clone *c = &results.clones[i];

		json_object(json, NULL, true);
		json_string(json, "title", c->title);
		json_number(json, "count", c->count);
		json_fraction(json, "seconds", c->seconds);
		json_number(json, "bytes", c->bytes);
		json_close(json);
	}
	json_close(json);
}

static void put_aged(struct json *json)
{
	json_array(json, "fragmentation", false);
	for (unsigned i = 0; i < results.aged_count; i++) {
		const struct aged *a = &results.aged[i];

		json_object(json, NULL, false);
		json_string(json, "title", a->title);
		json_string(json, "format", a->format);
		json_number(json, "block_size", a->block_size);
		json_fraction(json, "asked", a->asked);
		json_fraction(json, "reached", a->reached);
		json_number(json, "file_blocks", settings.size / a->block_size);
		json_number(json, "runs", a->runs);
		json_fraction(json, "mean_seek", a->mean_seek);
		if (a->host_known) {
			json_number(json, "host_extents", a->host_extents);
			json_fraction(json, "host_mean_seek", a->host_seek);
		} else {
			json_null(json, "host_extents");
			json_null(json, "host_mean_seek");
		}
		json_object(json, "bytes_per_second", false);
		for (unsigned w = 0; w < 4; w++)
			put_spread(json, aged_works[w], a->speeds[w], 1);
		json_close(json);
		json_object(json, "speed_to_fixed", false);
		for (unsigned w = 0; w < 4; w++)
			put_spread(json, aged_works[w], a->to_fixed[w], 1);
		json_close(json);
		json_object(json, "time_to_order", false);
		for (unsigned w = 0; w < 4; w++)
			put_spread(json, aged_works[w], a->slowdown[w], 1);
		json_close(json);
		json_close(json);
	}
	json_close(json);
}

static void put_claims(struct json *json)
{
	json_array(json, "claims", false);
	for (unsigned i = 0; i < claim_count; i++) {
		const struct claim *c = &claims[i];

		json_object(json, NULL, false);
		json_string(json, "claim", c->text);
		json_string(json, "verdict", verdict_names[c->verdict]);
		json_string(json, "answer", c->answer);
		json_array(json, "evidence", false);
		for (unsigned e = 0; e < c->evidence_count; e++) {
			json_object(json, NULL, true);
			json_string(json, "figure", c->evidence[e].text);
			json_string(json, "verdict", verdict_names[c->evidence[e].verdict]);
			json_fraction(json, "ratio", c->evidence[e].ratio);
			json_fraction(json, "low", c->evidence[e].spread.low);
			json_fraction(json, "high", c->evidence[e].spread.high);
			json_close(json);
		}
		json_close(json);
		json_close(json);
	}
	json_close(json);
}

void report_json(void)
{
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL, false);
	json_string(&json, "schema", "vhdx-bench/1");
	put_machine(&json);
	put_settings(&json);
	json_array(&json, "rows", false);
	for (unsigned i = 0; i < results.row_count; i++)
		put_row(&json, &results.rows[i]);
	json_close(&json);
	put_makings(&json);
	put_aged(&json);
	put_claims(&json);
	json_close(&json);
	json_end(&json);
}
