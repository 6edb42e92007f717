-- Month-end rates: units of local currency for one US dollar. A company that keeps its books in US dollars has the
-- rate 1, whatever the rate table says.
SELECT
    CAST(dc.[Company_Code] AS nvarchar(20)) AS company_code,
    CAST(dc.[Company_Name] AS nvarchar(100)) AS company_name,
    CAST(dc.[Company_Country] AS nvarchar(10)) AS country_code,
    CAST(c.[Country_Name] AS nvarchar(100)) AS country_name,
    CAST(c.[Region] AS nvarchar(50)) AS region,
    CAST(dc.[Local_Currency] AS nvarchar(10)) AS local_currency,
    CAST(fx.[Rate_Type] AS nvarchar(10)) AS rate_type,
    CAST(fx.[Rate_Date] AS date) AS rate_date,
    CAST(CASE WHEN RIGHT(dc.[Company_Code], 4) = N'_USD' THEN 1 ELSE 0 END AS bit) AS is_usd_entity,
    CAST(
        CASE WHEN RIGHT(dc.[Company_Code], 4) = N'_USD' THEN CAST(1 AS decimal(38, 20)) ELSE fx.[FX_Rate] END
        AS decimal(38, 20)
    ) AS lcy_per_usd
FROM [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Country] AS c
    ON c.[Country_Code] = dc.[Company_Country]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_FX_RATES] AS fx
    ON fx.[From_Currency] = dc.[Local_Currency]
    AND fx.[To_Currency] = N'USD'
    AND fx.[Rate_Type] = @rate_type
    AND fx.[Rate_Date] = @closing_date
WHERE dc.[Flg_In_Conso_Scope] = @in_scope
    AND dc.[Is_Active?] = 1
    AND c.[Is_Active?] = 1
