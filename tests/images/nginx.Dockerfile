# nginx:1 from Debian's nginx.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y nginx \
 && rm -rf /var/lib/apt/lists/* /etc/nginx/conf.d /etc/nginx/sites-enabled \
 && mkdir -p /etc/nginx/conf.d \
 && printf 'server {\n    listen 80;\n    root /usr/share/nginx/html;\n}\n' >/etc/nginx/conf.d/default.conf \
 && ln -sf /dev/stdout /var/log/nginx/access.log \
 && ln -sf /dev/stderr /var/log/nginx/error.log
COPY nginx.conf /etc/nginx/nginx.conf
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
