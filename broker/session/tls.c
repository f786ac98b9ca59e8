/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/session/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>

#include "broker/session/resolve.h"
#include "core/base/cleanup.h"

static void cleanup_ctx(SSL_CTX **ctx)
{
	SSL_CTX_free(*ctx);
}

static int fail(struct baton_error *err, const char *what, const char *file)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);
	int r = error_set(err, EINVAL, "%s \"%s\": %s", what, file, reason ? reason : "unknown reason");

	ERR_clear_error();
	return r;
}

/*
 * libmosquitto puts the host it connects to, which is a number, into the server name indication (RFC 6066
 * forbids that, and a broker behind a router of names is not found). The start of the handshake is the only
 * moment between its SSL_new and the ClientHello.
 */
static void set_server_name(const SSL *ssl, int where, int ret)
{
	const struct tls_state *state;

	(void)ret;
	/* Messages after the handshake (session tickets) announce a start as well. */
	if (!(where & SSL_CB_HANDSHAKE_START) || !SSL_in_before(ssl))
		return;
	state = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	/* Out of memory leaves libmosquitto's number there; the certificate check does not depend on it. */
	(void)SSL_ctrl((SSL *)(uintptr_t)ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
	        resolve_is_numeric(state->host) ? NULL : (void *)(uintptr_t)state->host);
}

/* A handshake that fails inside of mosquitto_connect_async takes its SSL along, and the reason with it. */
static int note_verify_error(int ok, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_state *state = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (ok != 1)
		state->verify_error = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
	return ok;
}

static int check_name(SSL_CTX *ctx, const char *host, struct baton_error *err)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	int ok;

	if (resolve_is_numeric(host)) {
		ok = X509_VERIFY_PARAM_set1_ip_asc(param, host);
	} else {
		X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		ok = X509_VERIFY_PARAM_set1_host(param, host, 0);
	}
	if (ok != 1)
		return fail(err, "cannot check certificates against the host", host);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, note_verify_error);
	SSL_CTX_set_info_callback(ctx, set_server_name);
	return 0;
}

static int load_files(SSL_CTX *ctx, const struct session_config *config, struct baton_error *err)
{
	if (SSL_CTX_load_verify_file(ctx, config->ca_file) != 1)
		return fail(err, "cannot use CA file", config->ca_file);
	if (!config->cert_file)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ctx, config->cert_file) != 1)
		return fail(err, "cannot use client certificate", config->cert_file);
	if (!config->key_file)
		return error_set(
		        err, EINVAL, "client certificate \"%s\" without a key file", config->cert_file);
	if (SSL_CTX_use_PrivateKey_file(ctx, config->key_file, SSL_FILETYPE_PEM) != 1)
		return fail(err, "cannot use client key", config->key_file);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return fail(err, "client certificate does not belong to key", config->key_file);
	return 0;
}

int tls_attach(struct mosquitto *client, const struct session_config *config, struct tls_state *state,
        struct baton_error *err)
{
	cleanup_with(cleanup_ctx) SSL_CTX *ctx = NULL;
	int r;

	state->host = config->host;
	state->verify_error = NULL;
	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
		return fail(err, "cannot set up TLS for", config->host);
	SSL_CTX_set_app_data(ctx, state);
	/* Buffers of an idle connection are 34 KB otherwise. */
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	r = check_name(ctx, config->host, err);
	if (r == 0)
		r = load_files(ctx, config, err);
	if (r < 0)
		return r;
	/* libmosquitto takes its own reference, and must not put its defaults over ours. */
	if (mosquitto_void_option(client, MOSQ_OPT_SSL_CTX, ctx) != MOSQ_ERR_SUCCESS ||
	        mosquitto_int_option(client, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0) != MOSQ_ERR_SUCCESS)
		return error_set(err, ENOTSUP, "this libmosquitto has no TLS");
	return 0;
}

bool tls_in_handshake(struct mosquitto *client)
{
	const SSL *ssl = mosquitto_ssl_get(client);

	return ssl && !SSL_is_init_finished(ssl);
}

bool tls_wants_write(struct mosquitto *client)
{
	const SSL *ssl = mosquitto_ssl_get(client);

	return ssl && SSL_want_write(ssl);
}

bool tls_has_pending(struct mosquitto *client)
{
	const SSL *ssl = mosquitto_ssl_get(client);

	return ssl && SSL_pending(ssl) > 0;
}
