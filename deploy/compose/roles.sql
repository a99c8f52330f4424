-- Ondol's database roles; run by a superuser once and again after each upgrade (it may be repeated).
--   psql -v ON_ERROR_STOP=1 -v owner_password=… -v web_password=… -v staff_password=… -f roles.sql
-- ondol_owner        migrates and owns the tables; serves nobody.
-- ondol_web          sees one tenant at a time.        ondol_web_login   may become ondol_web only.
-- ondol_staff        policies of its own for staff.    ondol_staff_login may become ondol_staff only.
-- None is a superuser, none may bypass row-level security, none may create roles or databases.

SELECT format('CREATE ROLE %I %s', name, kind)
FROM (VALUES
    ('ondol_owner', 'LOGIN'),
    ('ondol_web', 'NOLOGIN'),
    ('ondol_staff', 'NOLOGIN'),
    ('ondol_web_login', 'LOGIN'),
    ('ondol_staff_login', 'LOGIN')
) AS wanted (name, kind)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE ondol_owner NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'owner_password';
ALTER ROLE ondol_web NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION;
ALTER ROLE ondol_staff NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION;
ALTER ROLE ondol_web_login NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'web_password';
ALTER ROLE ondol_staff_login NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'staff_password';

GRANT ondol_web TO ondol_web_login;
GRANT ondol_staff TO ondol_staff_login;

SELECT 'CREATE DATABASE ondol OWNER ondol_owner TEMPLATE template0 ENCODING ''UTF8'''
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'ondol')
\gexec

REVOKE ALL ON DATABASE ondol FROM PUBLIC;
GRANT CONNECT ON DATABASE ondol TO ondol_web_login, ondol_staff_login;
