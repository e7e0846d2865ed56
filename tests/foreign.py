"""Paragraphs in several languages, for whatever has to tell them apart."""

from __future__ import annotations

PARAGRAPHS = {
    "de": (
        "Am nächsten Morgen lag der Nebel noch immer über dem Fluss, und keiner von uns hatte Lust, das Boot zu Wasser "
        "zu lassen. Karl meinte, man solle erst einmal in Ruhe frühstücken und dann weitersehen. Also saßen wir auf "
        "der nassen Bank vor dem Gasthaus, tranken einen Kaffee, der nach Eisen schmeckte, und sahen zu, wie die "
        "Pferde an uns vorbeigeführt wurden. Der Wirt erzählte, dass sein Großvater hier noch Lachse gefangen habe, "
        "so lang wie ein Arm. Geglaubt hat ihm das niemand, aber widersprochen hat ihm auch keiner."
    ),
    "fr": (
        "Le lendemain matin, le brouillard couvrait encore la rivière, et aucun de nous n'avait envie de mettre la "
        "barque à l'eau. Charles proposa de déjeuner d'abord tranquillement et de réfléchir ensuite. Nous nous sommes "
        "donc assis sur le banc mouillé devant l'auberge, à boire un café qui avait le goût du fer, en regardant "
        "passer les chevaux. L'aubergiste racontait que son grand-père pêchait ici des saumons longs comme le bras. "
        "Personne ne le croyait, mais personne non plus n'osait le contredire."
    ),
    "es": (
        "A la mañana siguiente la niebla cubría todavía el río, y ninguno de nosotros tenía ganas de echar la barca "
        "al agua. Carlos propuso desayunar primero con calma y pensarlo después. Así que nos sentamos en el banco "
        "mojado delante de la posada, bebimos un café que sabía a hierro y miramos cómo pasaban los caballos. El "
        "posadero contaba que su abuelo había pescado aquí salmones tan largos como un brazo. Nadie le creyó, pero "
        "tampoco hubo quien se atreviera a llevarle la contraria."
    ),
    "it": (
        "La mattina dopo la nebbia copriva ancora il fiume, e nessuno di noi aveva voglia di mettere la barca in "
        "acqua. Carlo propose di fare prima colazione con calma e di pensarci poi. Così ci sedemmo sulla panca bagnata "
        "davanti alla locanda, bevemmo un caffè che sapeva di ferro e guardammo passare i cavalli. L'oste raccontava "
        "che suo nonno aveva pescato qui dei salmoni lunghi come un braccio. Nessuno gli credette, ma nessuno ebbe "
        "nemmeno il coraggio di contraddirlo."
    ),
    "nl": (
        "De volgende ochtend hing de mist nog steeds boven de rivier, en niemand van ons had zin om de boot in het "
        "water te leggen. Karel stelde voor om eerst rustig te ontbijten en daarna verder te kijken. Dus zaten we op "
        "de natte bank voor de herberg, dronken koffie die naar ijzer smaakte en keken hoe de paarden voorbij werden "
        "geleid. De waard vertelde dat zijn grootvader hier nog zalmen had gevangen, zo lang als een arm. Geloofd "
        "heeft niemand hem, maar tegengesproken evenmin."
    ),
    "la": (
        "Postero die mane nebula adhuc super flumen iacebat, neque quisquam nostrum navem in aquam deducere volebat. "
        "Carolus dixit primum nobis quiete cenandum esse, deinde de cetero cogitandum. Itaque ante tabernam in "
        "scamno madido sedebamus, potionem ferri sapore bibebamus, equos praetereuntes spectabamus. Caupo narrabat "
        "avum suum in hoc flumine pisces cepisse tam longos quam bracchium hominis. Nemo ei credidit, sed nemo "
        "contra dicere ausus est, quia vinum eius satis bonum erat."
    ),
}

ENGLISH = (
    "The next morning the fog still lay over the river, and none of us felt like putting the boat in the water. "
    "Charles said we ought to have a quiet breakfast first and think about it afterwards. So we sat on the wet bench "
    "in front of the inn, drank coffee that tasted of iron, and watched the horses being led past. The landlord told "
    "us that his grandfather used to catch salmon here as long as a man's arm. Nobody believed him, but nobody "
    "contradicted him either."
)
