/**
 * PostgreSQL's own limits, as its source has them, and ours where it has none.
 * Each is checked before the bytes it speaks of are buffered.
 */

/** Longest startup packet, its Int32 length included: MAX_STARTUP_PACKET_LENGTH 10,000 + 4 (pqcomm.h). */
export const MAX_STARTUP_PACKET_LENGTH = 10_004;

/** Shortest one: its length and the Int32 request code. */
export const MIN_STARTUP_PACKET_LENGTH = 8;

/** Longest PasswordMessage body the server reads: PG_MAX_AUTH_TOKEN_LENGTH (auth.h). */
export const MAX_PASSWORD_BODY_LENGTH = 65_535;

/** Longest password, and so the longest token: what a real server takes in one PasswordMessage. */
export const MAX_PASSWORD_LENGTH = 65_530;

/** Longest Authentication message: libpq's own bound (fe-connect.c). */
export const MAX_AUTHENTICATION_BODY_LENGTH = 2_000;

/** Longest ErrorResponse, NoticeResponse or NegotiateProtocolVersion before login: libpq's (fe-connect.c). */
export const MAX_LOGIN_MESSAGE_BODY_LENGTH = 30_000;

/** How much a server may say (NOTICEs and the like) before it lets us in or not: ours. */
export const MAX_LOGIN_TOTAL_LENGTH = 128_000;

/** How many answers a server may want of a client: ours. SCRAM takes two, PAM one for each of its prompts. */
export const MAX_AUTHENTICATION_ANSWERS = 10;

/** Cancel keys: 4 bytes up to protocol 3.0, 4 to 256 from 3.2 on (MAX_CANCEL_KEY_LENGTH, procsignal.h). */
export const MIN_CANCEL_KEY_LENGTH = 4;
export const MAX_CANCEL_KEY_LENGTH = 256;
