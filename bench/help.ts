import { DATABASE, ROLE, SERVER_NAME } from './stage.ts';

export const HELP = `npm run bench -- [flags]

Compares this proxy with direct TLS, stunnel, PgBouncer and whatever else listens, all against the same
PostgreSQL over TLS, on this machine (Linux), in rounds that take turns.

  --quick               smaller sizes and one round: under two minutes
  --only WORKLOAD       roundtrips, streaming, connect, memory, mixed, start; repeatable, or with commas
  --without NAME        leave a contender out (stunnel, pgbouncer, "direct tls", ...); repeatable
  --rounds N            how often each contender is measured (5; with --quick 1)
  --json FILE           write every sample, and the versions, to this file
  --markdown            print the table as Markdown
  --max-sessions N      most idle sessions to hold (5000)

This proxy, more than once:
  --proxy-flags FLAGS   further flags for the contender "proxy", in one argument
  --variant NAME=FLAGS  the same build with these flags, as a contender of its own; repeatable
  --proxy-entry [NAME=]PATH
                        the main.js of another build, such as an older checkout's; repeatable

Others:
  --rival NAME=PORT[,DELAYED-PORT[,LIGHT-PORT]]
                        something that listens on 127.0.0.1, takes clients without TLS, and leads to the
                        server: its first port to --server-port, the second (for the workload connect) to
                        --delay-port, the third (memory) to --light-port; repeatable
  --server-port N       where PostgreSQL shall listen
  --delay-port N        where the relay that delays each way by 1 ms shall listen
  --light-port N        where the light server of the workload memory shall listen
  --share DIR           write ca.pem and token there, for rivals; removed at the end
                        The server's certificate is for ${SERVER_NAME} and 127.0.0.1; role
                        ${ROLE}, database ${DATABASE}, its password is in the file token. The benchmark waits
                        for the rivals to listen. They may ask clients for that password, or not.

pgbench, stunnel and PgBouncer are used where they are installed:
  apt-get install postgresql-15 stunnel4 pgbouncer
`;
