/* SPDX-License-Identifier: Apache-2.0 */
/* Memory floor of baton-control: links and initialises the same Debian libraries, does nothing else. */
#include <event2/event.h>
#include <jansson.h>
#include <lauxlib.h>
#include <libconfig.h>
#include <lualib.h>
#include <mosquitto.h>
#include <openssl/evp.h>
#include <seccomp.h>
#include <stdio.h>

int main(void)
{
	struct event_base *base = event_base_new();
	config_t config;
	json_t *value = json_object();
	lua_State *lua = luaL_newstate();
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	struct mosquitto *client;

	config_init(&config);
	luaL_openlibs(lua);
	(void)mosquitto_lib_init();
	client = mosquitto_new("empty", true, NULL);
	(void)EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
	(void)seccomp_api_get();
	(void)puts("ready");
	(void)fflush(stdout);
	(void)value;
	(void)client;
	return event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
}
