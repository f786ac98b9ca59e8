#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints where sysroots and rigs get Debian 12 from, "URI SUITE" a line: the mirrors of this machine's apt, or Debian's
# own when it knows none. Other publishers have suites of the same name: what they call bookworm is not Debian.
set -eu

# shellcheck disable=SC2016 # apt expands these
mirrors=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
	sed -n 's/^\([^ ]* bookworm\(-updates\|-security\)\{0,1\}\) Debian$/\1/p' | LC_ALL=C sort -u)
if [ -n "$mirrors" ]; then
	printf '%s\n' "$mirrors"
else
	cat <<-'END'
		http://deb.debian.org/debian/ bookworm
		http://deb.debian.org/debian/ bookworm-updates
		http://deb.debian.org/debian-security/ bookworm-security
	END
fi
