/*
 * Cyrus SASL on a leash: reads orders on standard input, a line each, and answers each with a line.
 *
 * An order names one of the exchanges that go on side by side. Texts are in hex, `-` where there is none:
 *
 *   client N key=value ...   a client begins to exist; see `set` for the keys
 *   server N key=value ...   a server, likewise
 *   offer N                  -> offer TEXT                    what a server offers
 *   step N TEXT              -> message TEXT                  to be sent, and an answer is awaited
 *                               waits                         a client without an initial response
 *                               done TEXT AUTHID USER SSF MAX the end; TEXT is still to be sent
 *                               failed CODE TEXT              the end, and why
 *   wrap N TEXT, unwrap N TEXT -> data TEXT, or failed
 *   end N
 *
 * Whatever has nothing to tell answers `well`. What is no order ends the program. Its arguments, NAME=VALUE, are
 * options as a configuration file would have them; no such file is read, and no database.
 */
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXCHANGES 64
#define RECORDS 32
#define CALLBACK(function) ((int (*)(void))(void *)(function))

struct text {
    char *octets; /* with a NUL after its end; NULL where there is no text */
    size_t length;
};

/* A property of a user, as a database would have it. */
struct record {
    struct text user, realm, property, value;
};

struct exchange {
    int is_server, started, ended, done, silent, success_data;
    enum { AS_EVER, ALLOW, REFUSE } proxy;
    sasl_conn_t *connection;
    struct text mechanism, service, host, realm, authid, authzid, external;
    struct text binding, data, iterations;
    sasl_secret_t *password;
    sasl_ssf_t external_ssf;
    sasl_security_properties_t security;
    sasl_channel_binding_t channel;
    sasl_callback_t callbacks[8];
    struct record records[RECORDS];
    size_t record_count;
};

static struct exchange exchanges[EXCHANGES];
/* The one whose order is being carried out: the library tells its plug-ins and options nothing of ours. */
static struct exchange *now;
static char **options;

static void give_up(const char *why)
{
    fprintf(stderr, "cyrus: %s\n", why);
    exit(2);
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) give_up("no memory");
    return memory;
}

/* --- texts on the wire --- */

static int digit(char letter)
{
    const char *digits = "0123456789abcdef", *found = strchr(digits, letter);
    if (letter == '\0' || found == NULL) give_up("not hex");
    return (int)(found - digits);
}

static struct text parse(const char *hex)
{
    struct text text = { NULL, 0 };
    if (strcmp(hex, "-") == 0) return text;
    text.length = strlen(hex) / 2;
    text.octets = allocate(text.length + 1);
    for (size_t i = 0; i < text.length; i++)
        text.octets[i] = (char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return text;
}

static void print(const char *octets, size_t length)
{
    putchar(' ');
    if (octets == NULL) putchar('-');
    for (size_t i = 0; octets != NULL && i < length; i++) printf("%02x", (unsigned char)octets[i]);
}

static void print_string(const char *string)
{
    print(string, string == NULL ? 0 : strlen(string));
}

/* --- what the library asks --- */

static int get_option(void *context, const char *plugin, const char *name, const char **value, unsigned *length)
{
    (void)context, (void)plugin;
    *value = NULL;
    if (strcmp(name, "auxprop_plugin") == 0) *value = "told";
    if (strcmp(name, "pwcheck_method") == 0) *value = "auxprop";
    if (strcmp(name, "scram_iteration_counter") == 0 && now != NULL) *value = now->iterations.octets;
    for (char **option = options; *option != NULL; option++) {
        size_t end = strlen(name);
        if (strncmp(*option, name, end) == 0 && (*option)[end] == '=') *value = *option + end + 1;
    }
    if (length != NULL) *length = *value == NULL ? 0 : (unsigned)strlen(*value);
    return *value == NULL ? SASL_FAIL : SASL_OK;
}

static int get_configuration(void *context, char **path)
{
    (void)context;
    *path = strdup("/nonexistent");
    return *path == NULL ? SASL_NOMEM : SASL_OK;
}

static int be_silent(void *context, int level, const char *message)
{
    (void)context, (void)level, (void)message;
    return SASL_OK;
}

static int get_name(void *context, int id, const char **result, unsigned *length)
{
    struct exchange *exchange = context;
    struct text *name = id == SASL_CB_USER ? &exchange->authzid : &exchange->authid;
    *result = name->octets == NULL ? "" : name->octets;
    if (length != NULL) *length = (unsigned)name->length;
    return SASL_OK;
}

static int get_password(sasl_conn_t *connection, void *context, int id, sasl_secret_t **password)
{
    (void)connection, (void)id;
    *password = ((struct exchange *)context)->password;
    return *password == NULL ? SASL_FAIL : SASL_OK;
}

/* The realm that was ordered, offered or not; else the first that is offered. */
static int get_realm(void *context, int id, const char **offered, const char **result)
{
    struct exchange *exchange = context;
    (void)id;
    *result = exchange->realm.octets;
    if (*result == NULL) *result = offered != NULL && offered[0] != NULL ? offered[0] : "";
    return SASL_OK;
}

static int may_act_for(sasl_conn_t *connection, void *context, const char *user, unsigned user_length,
                       const char *authid, unsigned authid_length, const char *realm, unsigned realm_length,
                       struct propctx *properties)
{
    (void)connection, (void)user, (void)user_length, (void)authid, (void)authid_length;
    (void)realm, (void)realm_length, (void)properties;
    return ((struct exchange *)context)->proxy == ALLOW ? SASL_OK : SASL_NOAUTHZ;
}

/* --- the database: what we were told of users --- */

static int is(const struct text *text, const char *octets, size_t length)
{
    return text->length == length && memcmp(text->octets, octets, length) == 0;
}

/* As in a sasldb, `user@realm` is looked up, and a name without a realm in that of the server. */
static int is_of(const struct record *record, const sasl_server_params_t *server, const char *user, size_t length)
{
    const char *at = memchr(user, '@', length);
    const char *realm = server->user_realm != NULL && server->user_realm[0] ? server->user_realm : server->serverFQDN;
    size_t realm_length = strlen(realm), name_length = length;
    if (at != NULL) {
        name_length = (size_t)(at - user);
        realm = at + 1;
        realm_length = length - name_length - 1;
    }
    if (record->realm.octets == NULL)
        return is(&record->user, user, length) || is(&record->user, user, name_length);
    return is(&record->user, user, name_length) && is(&record->realm, realm, realm_length);
}

/* As in a sasldb there is no such user when none of what is wanted is there, and all is well when nothing is wanted. */
static int look_up(void *context, sasl_server_params_t *server, unsigned flags, const char *user, unsigned length)
{
    int wants = 0, found = 0;
    const struct propval *wanted = server->utils->prop_get(server->propctx);
    (void)context;
    for (; wanted != NULL && wanted->name != NULL; wanted++) {
        /* With an asterisk in front it is wanted of the authentication id. */
        int of_authid = wanted->name[0] == '*';
        if (of_authid == ((flags & SASL_AUXPROP_AUTHZID) != 0)) continue;
        wants = 1;
        for (size_t i = 0; i < now->record_count; i++) {
            struct record *record = &now->records[i];
            if (!is_of(record, server, user, length)) continue;
            if (strcmp(record->property.octets, wanted->name + of_authid) != 0) continue;
            found = 1;
            if (wanted->values != NULL) server->utils->prop_erase(server->propctx, wanted->name);
            server->utils->prop_set(server->propctx, wanted->name, record->value.octets, (int)record->value.length);
        }
    }
    return found || !wants ? SASL_OK : SASL_NOUSER;
}

static int database(const sasl_utils_t *utils, int max_version, int *version, sasl_auxprop_plug_t **plug,
                    const char *name)
{
    static char own_name[] = "told";
    static sasl_auxprop_plug_t told = { .auxprop_lookup = look_up, .name = own_name };
    (void)utils, (void)name;
    if (max_version < SASL_AUXPROP_PLUG_VERSION) return SASL_BADVERS;
    *version = SASL_AUXPROP_PLUG_VERSION;
    *plug = &told;
    return SASL_OK;
}

/* --- orders --- */

static void answer_failure(int code)
{
    printf("failed %d", code);
    print_string(now->connection == NULL ? sasl_errstring(code, NULL, NULL) : sasl_errdetail(now->connection));
    putchar('\n');
}

static void end(void)
{
    struct text *texts[] = { &now->mechanism, &now->service, &now->host, &now->realm, &now->authid, &now->authzid,
                             &now->external, &now->binding, &now->data, &now->iterations };
    sasl_dispose(&now->connection);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free(texts[i]->octets);
    for (size_t i = 0; i < now->record_count; i++) {
        struct record *record = &now->records[i];
        free(record->user.octets), free(record->realm.octets);
        free(record->property.octets), free(record->value.octets);
    }
    free(now->password);
    memset(now, 0, sizeof *now);
    puts("well");
}

/* USER:REALM:PROPERTY:VALUE, the realm `-` for any. */
static void add_record(char *value)
{
    if (now->record_count == RECORDS) give_up("too many records");
    struct record *record = &now->records[now->record_count++];
    struct text *fields[] = { &record->user, &record->realm, &record->property, &record->value };
    for (size_t i = 0; i < 4; i++) {
        char *field = strsep(&value, ":");
        if (field == NULL) give_up("half a record");
        *fields[i] = parse(field);
    }
}

static void set_password(const char *value)
{
    struct text password = parse(value);
    now->password = allocate(sizeof *now->password + password.length);
    now->password->len = password.length;
    memcpy(now->password->data, password.octets, password.length);
    free(password.octets);
}

static void set(const char *key, char *value)
{
    const struct { const char *name; struct text *text; } texts[] = {
        { "mechanism", &now->mechanism }, { "service", &now->service }, { "host", &now->host },
        { "realm", &now->realm }, { "authid", &now->authid }, { "authzid", &now->authzid },
        { "external", &now->external }, { "binding", &now->binding }, { "data", &now->data },
        { "iterations", &now->iterations },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(key, texts[i].name) != 0) continue;
        *texts[i].text = parse(value);
        return;
    }
    unsigned number = (unsigned)strtoul(value, NULL, 10);
    if (strcmp(key, "record") == 0) add_record(value);
    else if (strcmp(key, "password") == 0) set_password(value);
    else if (strcmp(key, "critical") == 0) now->channel.critical = (int)number;
    else if (strcmp(key, "min") == 0) now->security.min_ssf = number;
    else if (strcmp(key, "max") == 0) now->security.max_ssf = number;
    else if (strcmp(key, "maxbuf") == 0) now->security.maxbufsize = number;
    else if (strcmp(key, "flags") == 0) now->security.security_flags = number;
    else if (strcmp(key, "ssf") == 0) now->external_ssf = number;
    else if (strcmp(key, "silent") == 0) now->silent = (int)number;
    else if (strcmp(key, "success-data") == 0) now->success_data = (int)number;
    else if (strcmp(key, "proxy") == 0) now->proxy = number ? ALLOW : REFUSE;
    else give_up("an unknown key");
}

static void add_callback(unsigned long id, int (*function)(void))
{
    sasl_callback_t *free_one = now->callbacks;
    while (free_one->proc != NULL) free_one++;
    free_one->id = id;
    free_one->proc = function;
    free_one->context = now;
}

static int create(void)
{
    unsigned flags = now->success_data ? SASL_SUCCESS_DATA : 0;
    if (now->is_server) {
        if (now->proxy != AS_EVER) add_callback(SASL_CB_PROXY_POLICY, CALLBACK(may_act_for));
        return sasl_server_new(now->service.octets, now->host.octets, now->realm.octets, NULL, NULL, now->callbacks,
                               flags, &now->connection);
    }
    add_callback(SASL_CB_USER, CALLBACK(get_name));
    add_callback(SASL_CB_AUTHNAME, CALLBACK(get_name));
    add_callback(SASL_CB_PASS, CALLBACK(get_password));
    add_callback(SASL_CB_GETREALM, CALLBACK(get_realm));
    return sasl_client_new(now->service.octets, now->host.octets, NULL, NULL, now->callbacks, flags,
                           &now->connection);
}

static int configure(void)
{
    sasl_conn_t *connection = now->connection;
    int code = sasl_setprop(connection, SASL_SEC_PROPS, &now->security);
    if (code == SASL_OK) code = sasl_setprop(connection, SASL_SSF_EXTERNAL, &now->external_ssf);
    if (code == SASL_OK && now->external.octets != NULL)
        code = sasl_setprop(connection, SASL_AUTH_EXTERNAL, now->external.octets);
    if (code == SASL_OK && now->binding.octets != NULL) {
        now->channel.name = now->binding.octets;
        now->channel.data = (const unsigned char *)now->data.octets;
        now->channel.len = now->data.length;
        code = sasl_setprop(connection, SASL_CHANNEL_BINDING, &now->channel);
    }
    return code;
}

static void begin(int is_server, char *words)
{
    if (now->connection != NULL) give_up("that exchange goes on");
    memset(now, 0, sizeof *now);
    now->is_server = is_server;
    for (char *word; (word = strsep(&words, " ")) != NULL;) {
        char *key = strsep(&word, "=");
        if (word == NULL) give_up("a key without a value");
        set(key, word);
    }
    int code = create();
    if (code == SASL_OK) code = configure();
    if (code == SASL_OK) puts("well");
    else answer_failure(code);
}

static void offer(void)
{
    const char *list = NULL;
    int code = sasl_listmech(now->connection, NULL, "", " ", "", &list, NULL, NULL);
    /* Which is how it says that there is none. */
    if (code == SASL_NOMECH) list = "";
    if (code != SASL_OK && code != SASL_NOMECH) {
        answer_failure(code);
        return;
    }
    printf("offer");
    print_string(list);
    putchar('\n');
}

static int step_client(const struct text *input, const char **output, unsigned *length)
{
    const char *chosen;
    if (now->started)
        return sasl_client_step(now->connection, input->octets, (unsigned)input->length, NULL, output, length);
    return sasl_client_start(now->connection, now->mechanism.octets, NULL, now->silent ? NULL : output, length, &chosen);
}

static int step_server(const struct text *input, const char **output, unsigned *length)
{
    if (now->started)
        return sasl_server_step(now->connection, input->octets, (unsigned)input->length, output, length);
    return sasl_server_start(now->connection, now->mechanism.octets, input->octets, (unsigned)input->length, output,
                             length);
}

/* What the library was not made for, and may not survive. */
static void answer_too_late_or_early(void)
{
    printf("failed %d", SASL_NOTDONE);
    print_string(now->ended ? "the exchange has ended" : "the exchange has not ended");
    putchar('\n');
}

static void answer_done(const char *output, unsigned length)
{
    const void *authid = NULL, *user = NULL, *ssf = NULL, *max = NULL;
    sasl_getprop(now->connection, SASL_AUTHUSER, &authid);
    sasl_getprop(now->connection, SASL_USERNAME, &user);
    sasl_getprop(now->connection, SASL_SSF, &ssf);
    sasl_getprop(now->connection, SASL_MAXOUTBUF, &max);
    printf("done");
    print(output, length);
    print_string(authid);
    print_string(user);
    printf(" %u %u\n", ssf == NULL ? 0 : *(const sasl_ssf_t *)ssf, max == NULL ? 0 : *(const unsigned *)max);
}

static void step(const char *word)
{
    if (now->ended) {
        answer_too_late_or_early();
        return;
    }
    struct text input = parse(word);
    const char *output = NULL;
    unsigned length = 0;
    int starts = !now->started;
    int code = now->is_server ? step_server(&input, &output, &length) : step_client(&input, &output, &length);
    now->started = 1;
    now->ended = code != SASL_CONTINUE;
    now->done = code == SASL_OK;
    if (code == SASL_OK) {
        answer_done(output, length);
    } else if (code != SASL_CONTINUE) {
        answer_failure(code);
    } else if (output == NULL && starts && !now->is_server) {
        puts("waits");
    } else {
        printf("message");
        print(output == NULL ? "" : output, length);
        putchar('\n');
    }
    free(input.octets);
}

static void convert(int (*how)(sasl_conn_t *, const char *, unsigned, const char **, unsigned *), const char *word)
{
    if (!now->done) {
        answer_too_late_or_early();
        return;
    }
    struct text input = parse(word);
    const char *output = NULL;
    unsigned length = 0;
    int code = how(now->connection, input.octets, (unsigned)input.length, &output, &length);
    if (code != SASL_OK) {
        answer_failure(code);
    } else {
        printf("data");
        print(output == NULL ? "" : output, length);
        putchar('\n');
    }
    free(input.octets);
}

static void obey(char *line)
{
    char *verb = strsep(&line, " "), *number = strsep(&line, " ");
    unsigned long which = number == NULL ? EXCHANGES : strtoul(number, NULL, 10);
    if (which >= EXCHANGES) give_up("no such exchange");
    now = &exchanges[which];
    int begins = strcmp(verb, "client") == 0 || strcmp(verb, "server") == 0;
    if (!begins && now->connection == NULL && strcmp(verb, "end") != 0) give_up("that exchange did not begin");
    if (line == NULL) give_up("an order without its words");
    if (begins) begin(strcmp(verb, "server") == 0, line);
    else if (strcmp(verb, "offer") == 0) offer();
    else if (strcmp(verb, "step") == 0) step(line);
    else if (strcmp(verb, "wrap") == 0) convert(sasl_encode, line);
    else if (strcmp(verb, "unwrap") == 0) convert(sasl_decode, line);
    else if (strcmp(verb, "end") == 0) end();
    else give_up("an unknown order");
}

int main(int count, char **arguments)
{
    static sasl_callback_t callbacks[] = {
        { SASL_CB_GETOPT, CALLBACK(get_option), NULL },
        { SASL_CB_GETCONFPATH, CALLBACK(get_configuration), NULL },
        { SASL_CB_LOG, CALLBACK(be_silent), NULL },
        { SASL_CB_LIST_END, NULL, NULL },
    };
    char *line = NULL;
    size_t room = 0;
    (void)count;
    options = arguments + 1;
    if (sasl_auxprop_add_plugin("told", database) != SASL_OK || sasl_server_init(callbacks, "gatepost-test") != SASL_OK
        || sasl_client_init(callbacks) != SASL_OK)
        give_up("the library does not start");
    for (ssize_t length; (length = getline(&line, &room, stdin)) > 0; fflush(stdout)) {
        if (line[length - 1] == '\n') line[length - 1] = '\0';
        obey(line);
    }
    return 0;
}
