/* SPDX-License-Identifier: GPL-2.0-or-later */
/* version.h - the versions of the libraries in this binary, for sdsd version --verbose. */
#ifndef SDSD_VERSION_H
#define SDSD_VERSION_H

#include "base/json.h"

/* name -> version, put into the object o */
void version_libraries(json *o);

#endif
