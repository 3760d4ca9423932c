"""``python -m preprocess VIDEOS_OR_FOLDER… -o FEATURES``"""

from preprocess.batch.command import main

if __name__ == "__main__":
    raise SystemExit(main())
