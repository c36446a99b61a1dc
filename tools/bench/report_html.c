/* SPDX-License-Identifier: MIT */
#include "bench.h"
bool report_html(const char *path);
bool report_html(const char *path)
{
	(void)path;
	return true;
}
bool report_svg(const char *path)
{
	(void)path;
	return true;
}
bool report_markdown(const char *path)
{
	(void)path;
	return true;
}
