#!/bin/sh
# Free music, speech, pictures and fonts from Debian packages, sorted into the folders that
# avtnet.dense_train --material and avtnet.synthesize --material expect. Nothing is installed.
#
#     sh benchmarks/fetch_material.sh FOLDER          # 3 GB while it runs, 2 GB after it
#
# Licences: docs/model-card.md. Nothing of it is part of this repository or of its packages.
set -eu
folder=${1:?"usage: sh benchmarks/fetch_material.sh FOLDER"}
mkdir -p "$folder/music" "$folder/speech" "$folder/pictures" "$folder/fonts" "$folder/debs"
folder=$(cd "$folder" && pwd)
cd "$folder/debs"
apt-get download \
    wesnoth-1.16-music planetblupi-music-ogg fillets-ng-data fillets-ng-data-cs fillets-ng-data-nl \
    warzone2100-music singularity-music asc-music hedgewars-data supertux-data \
    widelands-data flare-game megaglest-data unknown-horizons freedroidrpg-data \
    lincity-ng-data frozen-bubble-data xmoto-data extremetuxracer-data \
    asterisk-core-sounds-en-g722 asterisk-core-sounds-fr-g722 asterisk-core-sounds-es-g722 \
    asterisk-core-sounds-it-g722 asterisk-core-sounds-ru-g722 \
    mate-backgrounds gnome-backgrounds plasma-workspace-wallpapers \
    fonts-noto-cjk fonts-noto-core fonts-ipafont-gothic fonts-ipafont-mincho \
    fonts-vlgothic fonts-nanum fonts-wqy-zenhei fonts-liberation fonts-lato fonts-ebgaramond \
    fonts-comic-neue fonts-quicksand
for package in *.deb; do
    dpkg-deb -x "$package" "$folder/unpacked"
    rm "$package"
done
cd "$folder/unpacked/usr/share"
# Less than half a minute is no piece of music.
find . -iregex '.*/\(music\|musics\|bgm\|snd\)/.*\.\(ogg\|mp3\|opus\)' -size +350k | while read -r file; do
    name=$(echo "$file" | sed 's,^\./,,; s,^games/,,; s,/,-,g')
    ln -f "$file" "$folder/music/$name"
done
for language in cs nl en; do
    mkdir -p "$folder/speech/$language"
    find games/fillets-ng/sound -path "*/$language/*.ogg" | while read -r file; do
        name=$(echo "$file" | sed 's,.*/sound/,,; s,/,-,g')
        ln -f "$file" "$folder/speech/$language/$name"
    done
done
python3 - asterisk/sounds "$folder/speech" <<'END'
"""Prompts of a second and more, their G.722 put into WAV: a raw stream does not say what it is."""
import pathlib, struct, sys

sounds, speech = map(pathlib.Path, sys.argv[1:])
for path in sorted(sounds.glob("*/**/*.g722")):
    data = path.read_bytes()  # 8000 bytes are a second
    voice, *name = path.relative_to(sounds).with_suffix(".wav").parts
    if len(data) < 8000 or "silence" in name:
        continue
    form = struct.pack("<HHIIHHH", 0x028F, 1, 16000, 8000, 1, 4, 0)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    target = speech / f"prompts-{voice}" / "-".join(name)
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
END
find backgrounds wallpapers \( -name '*.jpg' -o -name '*.png' -o -name '*.webp' \) -size +60k |
    grep -v -e Ubuntu -e screenshot | while read -r file; do
    ln -f "$file" "$folder/pictures/$(echo "$file" | sed 's,/,-,g')"
done
find games/fillets-ng/images -size +100k -name '*.png' | while read -r file; do
    ln -f "$file" "$folder/pictures/fillets-$(echo "$file" | sed 's,.*/images/,,; s,/,-,g')"
done
find fonts -name '*.tt[fc]' -o -name '*.otf' |
    grep -Ei 'lato|liberation|quicksand|nanum|comic|garamond|ipa|wqy|VL-|CJK-(Regular|Bold)|Noto(Sans|Serif)(Display)?-(Regular|Bold|Italic)\.' |
    while read -r file; do ln -f "$file" "$folder/fonts/"; done
rm -rf "$folder/debs"
