# The page on any host: docker build -t stylize . && docker run -p 7860:7860 stylize
FROM python:3.11-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN useradd --create-home --uid 1000 stylize
USER 1000
# Only the home is writable: caches lie there, and the full model where somebody fetches it.
ENV HOME=/home/stylize STYLIZE_FULL=/home/stylize/full GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860
EXPOSE 7860
CMD ["python", "app.py"]
